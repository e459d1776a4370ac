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
    reach = ends.tolist()  # plain ints: a loop over numpy scalars takes five times as long
    parent, depth = [OUTSIDE] * len(reach), [1] * len(reach)
    stack: list[int] = []
    for at, latest in enumerate(reach):
        while stack and reach[stack[-1]] < latest:
            stack.pop()
        if stack:
            parent[at], depth[at] = stack[-1], depth[stack[-1]] + 1
        stack.append(at)
    return Nest(starts, ends, np.array(parent, np.int64), np.array(depth, np.int64), order)
