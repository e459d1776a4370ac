"""NVTX ranges for a timeline: which is inside which, which are layers, and in which each row was launched."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tcscope.sources.nsys import tables as t
from tcscope.sources.nsys.calls import calls_behind
from tcscope.sources.nsys.range_table import STILL_OPEN, RangeTable
from tcscope.sources.nsys.rows import Columns, Ints, Mask
from tcscope.sources.nsys.sweep import OUTSIDE, nest
from tcscope.sources.nsys.timeline_nvtx import read_all_ranges

if TYPE_CHECKING:
    from tcscope.sources.nsys.database import Database


@dataclass(frozen=True, slots=True)
class RangeTree:
    """Ranges with the number of the one around each (OUTSIDE: none), its depth (outermost: 1), and if it is a layer."""

    table: RangeTable
    parent: Ints
    depth: Ints
    is_layer: Mask

    @property
    def is_open(self) -> Mask:
        """Which ranges had no end when the recording ended."""
        still_open: Mask = self.table.end == STILL_OPEN
        return still_open

    def levels(self, leaf: Ints) -> list[Ints]:
        """The ranges around each leaf by depth, the outermost first and the leaf itself last; OUTSIDE beyond it."""
        inside = leaf >= 0
        found: list[Ints] = []
        if not inside.any():
            return found
        depth = np.where(inside, self.depth[np.maximum(leaf, 0)], 0)
        at = leaf.copy()
        for level in range(int(depth.max()), 0, -1):
            here = depth == level
            found.append(np.where(here, at, OUTSIDE))
            at[here] = self.parent[at[here]]
            depth[here] -= 1
        return found[::-1]

    def with_parents(self, leaf: Ints) -> Mask:
        """Which ranges are one of these leaves or around one."""
        shown = np.zeros(len(self.parent), dtype=np.bool_)
        at = np.unique(leaf[leaf >= 0])
        while len(at):
            shown[at] = True
            around = self.parent[at]
            at = np.unique(around[around >= 0])
            at = at[~shown[at]]
        return shown


def read_ranges(db: Database, activity: Columns) -> tuple[RangeTree, Ints]:
    """All ranges of a trace, and for each row of activity tables the innermost range around its launch call.

    Of a thread's range and one over its process the one that began later counts.
    """
    called = _launch_calls(db, activity) if t.NVTX in db.tables else None
    table, is_layer = read_all_ranges(db)
    tree = RangeTree(
        table,
        parent=np.full(len(table.start), OUTSIDE, dtype=np.int64),
        depth=np.ones(len(table.start), dtype=np.int64),
        is_layer=is_layer,
    )
    leaf = np.full(len(activity), OUTSIDE, dtype=np.int64)
    for (owner, is_process), at in table.by_owner().items():
        nested = nest(taken(table.start, at), taken(table.end, at))
        number = at[nested.order]
        tree.depth[number] = nested.depth
        tree.parent[number] = np.where(nested.parent >= 0, number[nested.parent], OUTSIDE)
        del number
        if called is None:
            continue
        threads = called["thread"] & t.PROCESS_MASK if is_process else called["thread"]
        mine = np.flatnonzero((threads == owner) & (called["start"] != t.NO_ID))
        inner = nested.innermost(called["start"][mine], called["end"][mine])
        target, chosen = mine[inner >= 0], at[inner[inner >= 0]]
        before = leaf[target]
        later = (before < 0) | (table.start[chosen] >= table.start[np.maximum(before, 0)])
        leaf[target[later]] = chosen[later]
    return tree, leaf


def taken(column: Ints, at: Ints) -> Ints:
    """The rows `at`, ascending, of a column; no copy where that is all of it."""
    return column if len(at) == len(column) else column[at]


def _launch_calls(db: Database, activity: Columns) -> Columns:
    """Thread, start and end of the call that launched each row; NO_ID where the trace lacks it."""
    calls, call_of = calls_behind(db, activity)
    columns = {"thread": "globalTid", "start": "start", "end": "end"}
    if not len(calls):
        return Columns(dict.fromkeys(columns, call_of))
    at = np.maximum(call_of, 0)
    return Columns({name: np.where(call_of >= 0, calls.rows[of][at], t.NO_ID) for name, of in columns.items()})
