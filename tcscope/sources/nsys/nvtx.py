"""The NVTX ranges and domains of a trace by name."""

from __future__ import annotations

from sqlite3 import Connection

from tcscope.model.inventory import RangeCount
from tcscope.sources.nsys import tables as t
from tcscope.sources.nsys.database import Database
from tcscope.sources.nsys.parts import each_part

_ROWS = 20_000  # grouped at once


def range_counts(db: Database) -> tuple[RangeCount, ...]:
    """The names of the ranges with their instances and time, longest time first: outer ranges before inner ones."""
    if not db.has(t.NVTX, "eventType", "start", "end"):
        return ()
    registered = db.column(t.NVTX, "textId")
    asked = f'select {text_sql(db)}, {registered}, count(*), cast(sum(coalesce("end" - start, 0)) as integer)'

    def of_part(connection: Connection, first: int, end: int) -> list[tuple[str | None, int | None, int, int]]:
        part = f"from {t.NVTX} not indexed where rowid >= {int(first)} and rowid < {int(end)}"
        ranges = f"{asked} {part} and eventType in {t.PUSH_POP + t.START_END} group by 1, 2"
        return connection.execute(ranges).fetchall()

    found = [group for part in each_part(db, t.NVTX, _ROWS, of_part) for group in part]
    strings = db.strings({id_ for _, id_, _, _ in found if isinstance(id_, int)})
    counts: dict[str, RangeCount] = {}
    for text, id_, instances, ns in found:
        name = text if text is not None or id_ is None else strings.get(id_)
        if name is not None:
            before = counts.get(name, RangeCount(name, 0, 0))
            counts[name] = RangeCount(name, before.instances + instances, before.ns + ns)
    return tuple(sorted(counts.values(), key=lambda counted: (-counted.ns, counted.name)))


def domains(db: Database) -> set[str]:
    """The names of the NVTX domains (`TensorRT`, `myelin-exec`, `NCCL`, ...)."""
    if not db.has(t.NVTX, "eventType"):
        return set()
    found = db.rows(f"select distinct {name_sql(db)} from {t.NVTX} where eventType = {t.DOMAIN}")
    return {name for (name,) in found if name}


def name_sql(db: Database) -> str:
    """SQL for an event's name: its own text, or the registered string that its textId means."""
    has_registered = db.has(t.NVTX, "textId") and db.has(t.STRINGS, "id", "value")
    registered = f"(select value from {t.STRINGS} where id = textId limit 1)" if has_registered else "null"
    return f"coalesce({text_sql(db)}, {registered})"


def text_sql(db: Database) -> str:
    """SQL for an event's own text; NULL where that is none."""
    text = db.column(t.NVTX, "text")
    return f"case when typeof({text}) = 'text' then {text} end"
