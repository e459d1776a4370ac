"""The NVTX ranges and domains of a trace by name."""

from __future__ import annotations

from tcscope.model.inventory import RangeCount
from tcscope.sources.nsys import tables as t
from tcscope.sources.nsys.database import Database


def range_counts(db: Database) -> tuple[RangeCount, ...]:
    """The names of the ranges with their instances and time, longest time first: outer ranges before inner ones."""
    if not db.has(t.NVTX, "eventType", "start", "end"):
        return ()
    rows = db.rows(
        f'select {name_sql(db)} as name, count(*), sum(coalesce("end" - start, 0)) from {t.NVTX}'
        f" where eventType in {t.PUSH_POP + t.START_END} and name is not null group by name order by 3 desc, 1"
    )
    return tuple(RangeCount(*row) for row in rows)


def domains(db: Database) -> set[str]:
    """The names of the NVTX domains (`TensorRT`, `myelin-exec`, `NCCL`, ...)."""
    if not db.has(t.NVTX, "eventType"):
        return set()
    found = db.rows(f"select distinct {name_sql(db)} from {t.NVTX} where eventType = {t.DOMAIN}")
    return {name for (name,) in found if name}


def name_sql(db: Database) -> str:
    """SQL for an event's name: its own text, or the registered string that its textId means."""
    has_registered = db.has(t.NVTX, "textId") and t.STRINGS in db.tables
    registered = f"(select value from {t.STRINGS} where id = textId)" if has_registered else "null"
    return f"coalesce({db.column(t.NVTX, 'text')}, {registered})"
