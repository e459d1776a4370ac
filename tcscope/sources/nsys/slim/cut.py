"""Which rows a cut in time keeps: the calls inside the kept inferences, what they caused, and the ranges around."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tcscope.errors import TraceError
from tcscope.model import Selection
from tcscope.sources.nsys import tables as t
from tcscope.sources.nsys.calls import read_calls
from tcscope.sources.nsys.database import Database
from tcscope.sources.nsys.iterations import chosen_inferences
from tcscope.sources.nsys.nvtx import name_sql
from tcscope.sources.nsys.range_table import STILL_OPEN, RangeReader, RangeTable
from tcscope.sources.nsys.ranges import LaunchFilter, calls_inside, demand_instances
from tcscope.sources.nsys.rows import Columns, Ints, read_columns
from tcscope.sources.nsys.slim.plan import RANGE_EVENTS

_KERNEL_COLUMNS = ("globalPid", "correlationId", "start", "end")


@dataclass(frozen=True, slots=True)
class Cut:
    """What is kept: (globalPid, correlation id) of calls, row ids of NVTX ranges, and a time span in ns.

    `unplaced` kernels have no call in the trace, so that no range can hold them.
    """

    calls: list[tuple[int, int]]
    ranges: list[tuple[int]]
    first_ns: int
    last_ns: int
    instances: int
    unplaced: int


def cut_to(db: Database, name: str | None, keep: int | None) -> Cut:
    """Keep the instances of the range `name` (without one: TensorRT's inferences), the first `keep` where it is given.

    Raises TraceError where the trace has no such range, no inference, or no kernel inside.
    """
    ranges = RangeReader(db).inferences(name)
    chosen = chosen_inferences(ranges, name)
    if name is not None:
        demand_instances(db, Selection(name), len(chosen))
    if not len(chosen):
        raise TraceError(
            f"{db.path} shows no inferences: it has no ranges of TensorRT",
            "--range NAME, one that `tcscope info` lists",
        )
    kept = chosen[np.argsort(ranges.start[chosen], kind="stable")][:keep]
    counted = np.zeros(len(ranges.start), dtype=np.bool_)
    counted[kept] = True
    calls = read_calls(db)
    inside = calls_inside(calls, ranges, counted)
    launched = LaunchFilter(calls, inside)
    kernels = read_columns(db, t.KERNEL, _KERNEL_COLUMNS)
    mine = kernels.where(launched.mask(kernels))
    if not len(mine):
        what = f"inside the range '{name}'" if name is not None else "inside its inferences"
        raise TraceError(f"no kernel of {db.path} was launched {what}", f"tcscope info {db.path}  # lists ranges")
    rows = calls.rows.where(inside & (calls.keys != t.NO_ID))
    pairs = zip((rows["globalTid"] & t.PROCESS_MASK).tolist(), rows["correlationId"].tolist(), strict=True)
    last = int(np.maximum(mine["end"], mine["start"]).max())
    first = int(ranges.start[kept].min())
    return Cut(
        calls=list(dict.fromkeys(pairs)),
        ranges=[(row,) for row in _around(db, ranges, chosen, kept, last)],
        first_ns=first,
        last_ns=max(last, _closed(ranges, kept, last)),
        instances=len(kept),
        unplaced=int(np.count_nonzero(~launched.is_placed(kernels))),
    )


def _closed(ranges: RangeTable, kept: Ints, last: int) -> int:
    end = ranges.end[kept]
    return int(np.where(end == STILL_OPEN, last, end).max())


def _around(db: Database, ranges: RangeTable, chosen: Ints, kept: Ints, last: int) -> list[int]:
    """Row ids of the ranges that touch a kept instance in time, but other instances of the same names."""
    names = sorted({ranges.names[number] for number in np.unique(ranges.name[chosen]).tolist()})
    marks = ", ".join("?" * len(names))
    events = _events(db, f"{name_sql(db)} in ({marks})", tuple(names))
    starts, ends = ranges.start[kept], np.where(ranges.end[kept] == STILL_OPEN, last, ranges.end[kept])
    order = np.argsort(starts, kind="stable")
    starts, reached = starts[order], np.maximum.accumulate(ends[order])
    # the kept instances that begin before a range ends: does the one that lasts longest among them reach into it?
    before = np.searchsorted(starts, events["end"], side="right") - 1
    touches = (before >= 0) & (reached[np.maximum(before, 0)] >= events["start"])
    own = {(int(ranges.start[at]), int(ranges.owner[at]) & t.PROCESS_MASK) for at in kept.tolist()}
    others = np.flatnonzero(touches & (events["named"] > 0))
    process = events["globalTid"] & t.PROCESS_MASK
    touches[[at for at in others.tolist() if (int(events["start"][at]), int(process[at])) not in own]] = False
    found: list[int] = events["row"][touches].tolist()
    return found


def _events(db: Database, named: str, bound: tuple[str, ...]) -> Columns:
    """The ranges of a trace: row id, start, end, thread, and whether `named` (SQL) holds."""
    names = ("row", "start", "end", "globalTid", "named")
    sql = (
        f'select rowid, start, coalesce("end", {STILL_OPEN}), globalTid, coalesce({named}, 0) from {t.NVTX}'
        f" where eventType in {RANGE_EVENTS} and globalTid is not null"
    )
    with db.damage_told():
        block = np.fromiter(db.connection.execute(sql, bound), dtype=np.dtype([(name, np.int64) for name in names]))
    return Columns({name: np.ascontiguousarray(block[name]) for name in names})
