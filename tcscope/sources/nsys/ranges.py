"""Which launches an NVTX range selects: those whose call lies inside an instance of it, on its own thread."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tcscope.errors import TraceError, did_you_mean
from tcscope.model import Selection
from tcscope.sources.nsys.calls import Calls, read_calls
from tcscope.sources.nsys.database import Database
from tcscope.sources.nsys.nvtx import range_counts
from tcscope.sources.nsys.range_table import RangeReader, RangeTable
from tcscope.sources.nsys.rows import Columns, Ints, Mask
from tcscope.sources.nsys.sweep import nest
from tcscope.sources.nsys.tables import NO_ID
from tcscope.wording import count


@dataclass(frozen=True, slots=True)
class LaunchFilter:
    """The API calls of a trace, and which of them a range selects."""

    calls: Calls
    inside: Mask

    def mask(self, rows: Columns) -> Mask:
        """Whether each row of an activity table was caused by a selected call."""
        return self._caused_by(rows, self.calls.keys[self.inside])

    def is_placed(self, rows: Columns) -> Mask:
        """Whether the trace has the call that caused each row, selected or not."""
        return self._caused_by(rows, self.calls.keys)

    def _caused_by(self, rows: Columns, keys: Ints) -> Mask:
        """Whether each row has one of these call keys; two calls may share a key, and either may have launched it."""
        return np.isin(self.calls.keys_of(rows), keys[keys != NO_ID])


def range_filter(db: Database, selection: Selection) -> LaunchFilter:
    """The calls inside an NVTX range: on its thread, or on any thread of its process if it began and ended on two.

    Raises TraceError where the trace has no such range, or not enough instances of it.
    """
    ranges = RangeReader(db).inferences(selection.range or "")
    instances = np.argsort(ranges.start, kind="stable")
    demand_instances(db, selection, len(instances))
    counted = np.zeros(len(instances), dtype=np.bool_)
    counted[instances[selection.skip :]] = True
    calls = read_calls(db)
    return LaunchFilter(calls, calls_inside(calls, ranges, counted))


def calls_inside(calls: Calls, ranges: RangeTable, counted: Mask) -> Mask:
    """Whether each call lies inside one of the counted ranges."""
    inside = np.zeros(len(calls), dtype=np.bool_)
    for (owner, is_process), every in ranges.by_owner().items():
        at = every[counted[every]]
        mine = calls.of_owner(owner, is_process=is_process)
        tree = nest(ranges.start[at], ranges.end[at])
        inside[mine] |= tree.innermost(calls.rows["start"][mine], calls.rows["end"][mine]) >= 0
    return inside


def demand_instances(db: Database, selection: Selection, instances: int) -> None:
    """Raise TraceError where the selection leaves no instance of its range."""
    if not instances:
        known = [found.name for found in range_counts(db)]
        if not known:
            raise TraceError(f"{db.path} has no NVTX ranges", "capture with `nsys profile -t cuda,nvtx ...`")
        guess = did_you_mean(selection.range or "", known)
        raise TraceError(
            f"{db.path} has no NVTX range '{selection.range}'{guess}", f"tcscope info {db.path}  # lists them"
        )
    if instances <= selection.skip:
        raise TraceError(
            f"--skip {selection.skip} leaves nothing: range '{selection.range}' has {count(instances, 'instance')}",
            f"--skip {instances - 1}  # leaves the last one",
        )
