"""The innermost range around each call: one sweep over a thread's ranges, then all calls walk outwards at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tcscope.sources.nsys.rows import Ints

OUTSIDE = -1


@dataclass(frozen=True, slots=True)
class Nest:
    """Ranges of one thread by start time, each with the one around it (OUTSIDE: none) and its depth (outermost: 1)."""

    start: Ints
    end: Ints
    parent: Ints
    depth: Ints
    order: Ints

    def innermost(self, start: Ints, end: Ints, depth: int = 0) -> Ints:
        """For each interval the range that encloses it and began last; OUTSIDE where none does.

        With a `depth` the range at that depth from the outside instead, or the innermost where it lies less deep.
        Numbers are those of the ranges as they were given.
        """
        at: Ints = np.searchsorted(self.start, start, side="right").astype(np.int64) - 1
        while True:
            misses = np.flatnonzero(at >= 0)
            misses = misses[self.end[at[misses]] < end[misses]]
            if not len(misses):
                break
            at[misses] = self.parent[at[misses]]
        while depth:
            deep = np.flatnonzero(at >= 0)
            deep = deep[self.depth[at[deep]] > depth]
            if not len(deep):
                break
            at[deep] = self.parent[at[deep]]
        found: Ints = np.where(at >= 0, self.order[np.maximum(at, 0)], OUTSIDE) if len(self.order) else at
        return found


def nest(start: Ints, end: Ints) -> Nest:
    """The nesting of ranges given by their ends.

    A range that another one outlasts can be the innermost no more once that one has begun, so that a stack of falling
    ends holds every candidate, also where ranges cross.
    """
    order: Ints = np.lexsort([-end, start]).astype(np.int64)  # of equal starts the longer range is the outer one
    starts, ends = start[order], end[order]
    parent = np.full(len(order), OUTSIDE, dtype=np.int64)
    depth = np.ones(len(order), dtype=np.int64)
    for first, last in _blocks(ends, starts):
        reach = ends[first:last].tolist()  # plain ints: a loop over numpy scalars takes five times as long
        around, level = _climb(reach)
        parent[first:last] = np.where(np.array(around) >= 0, np.array(around) + first, OUTSIDE)
        depth[first:last] = level
    return Nest(starts, ends, parent, depth, order)


def _blocks(ends: Ints, starts: Ints) -> list[tuple[int, int]]:
    """The runs of ranges that overlap each other; a range that overlaps none, as TensorRT's layers, is in no run."""
    if not len(ends):
        return []
    begins = np.flatnonzero(np.concatenate([[True], starts[1:] > np.maximum.accumulate(ends)[:-1]]))
    lasts = np.append(begins[1:], len(ends))
    several = lasts - begins > 1
    return list(zip(begins[several].tolist(), lasts[several].tolist(), strict=True))


def _climb(reach: list[int]) -> tuple[list[int], list[int]]:
    """For ranges by start time, given their ends: the range around each (OUTSIDE: none) and its depth."""
    parent, depth = [OUTSIDE] * len(reach), [1] * len(reach)
    stack: list[int] = []
    for at, latest in enumerate(reach):
        while stack and reach[stack[-1]] < latest:
            stack.pop()
        if stack:
            parent[at], depth[at] = stack[-1], depth[stack[-1]] + 1
        stack.append(at)
    return parent, depth
