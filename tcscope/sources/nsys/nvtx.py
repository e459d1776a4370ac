"""The names of a trace's NVTX ranges and domains."""

from __future__ import annotations

from tcscope.sources.nsys import tables as t
from tcscope.sources.nsys.database import Database


def range_names(db: Database) -> dict[str, int]:
    """The names of the ranges with the number of their instances, most frequent first."""
    if not db.has(t.NVTX, "eventType"):
        return {}
    return dict(
        db.rows(
            f"select {name_sql(db)} as name, count(*) from {t.NVTX}"
            f" where eventType in {t.PUSH_POP + t.START_END} and name is not null group by name order by 2 desc, 1"
        )
    )


def domains(db: Database) -> set[str]:
    """The names of the NVTX domains (`TensorRT`, `myelin-exec`, `NCCL`, ...)."""
    if not db.has(t.NVTX, "eventType"):
        return set()
    found = db.rows(f"select distinct {name_sql(db)} from {t.NVTX} where eventType = {t.DOMAIN}")
    return {name for (name,) in found if name}


def name_sql(db: Database) -> str:
    """SQL for an event's name: its own text, or the registered string that its textId means."""
    registered = f"(select value from {t.STRINGS} where id = textId)" if db.has(t.NVTX, "textId") else "null"
    return f"coalesce({db.column(t.NVTX, 'text')}, {registered})"
