"""Slices laid out on tracks: what overlaps goes to another lane, and what a range launched lies inside its slice."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from tcscope.model.timeline import END

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Ints = npt.NDArray[np.int64]
    Mask = npt.NDArray[np.bool_]

CHUNK = 50_000  # rows whose events are made at once


def lanes(start: Ints, end: Ints) -> Ints:
    """For intervals by start the lowest lane in which each overlaps none before it: 0 for all of an in-order stream."""
    import numpy as np

    lane = np.zeros(len(start), dtype=np.int64)
    apart = np.flatnonzero(start[1:] >= np.maximum.accumulate(end)[:-1]) + 1
    edges = np.concatenate([[0], apart, [len(start)]])
    several = np.flatnonzero(np.diff(edges) > 1)
    for first, last in zip(edges[several].tolist(), edges[several + 1].tolist(), strict=True):
        free_from: list[int] = []
        for at, (begins, ends) in enumerate(zip(start[first:last].tolist(), end[first:last].tolist(), strict=True)):
            free = next((number for number, ns in enumerate(free_from) if ns <= begins), len(free_from))
            free_from[free : free + 1] = [ends]
            lane[first + at] = free
    return lane


def row_events(
    start: Ints, end: Ints, kind: Ints, levels: Sequence[Ints], kind_of_range: Ints
) -> Iterator[tuple[Ints, Ints]]:
    """Times and kinds of the events of rows that follow each other, and of the ranges in which they were launched.

    A range's slice reaches from the first to the last of neighbouring rows that it launched, at each of the `levels`
    (the outermost first; a negative number: no range) inside the slices of the levels before.
    """
    import numpy as np

    broken = _breaks(levels, len(start))
    depth = len(levels)
    for first in range(0, len(start), CHUNK):
        part = slice(first, min(first + CHUNK, len(start)))
        at = np.arange(part.stop - first, dtype=np.int64)
        place = at * (2 * depth + 2)  # a row's events: ranges begin, it begins, it ends, ranges end
        keys, times, kinds = [place + depth, place + depth + 1], [start[part], end[part]], [kind[part]]
        kinds.append(np.full(len(at), END, dtype=np.int64))
        for level, ranges in enumerate(levels):
            inside = ranges[part] >= 0
            begins = np.flatnonzero(inside & broken[level][part])
            ends = np.flatnonzero(inside & broken[level][first + 1 : part.stop + 1])
            keys += [place[begins] + level, place[ends] + 2 * depth + 1 - level]
            times += [start[part][begins], end[part][ends]]
            kinds += [kind_of_range[ranges[part][begins]], np.full(len(ends), END, dtype=np.int64)]
        order = np.argsort(np.concatenate(keys), kind="stable")
        yield np.concatenate(times)[order], np.concatenate(kinds)[order]


def _breaks(levels: Sequence[Ints], rows: int) -> list[Mask]:
    """For each level whether its range changes before each row, and after the last."""
    import numpy as np

    found: list[Mask] = []
    broken = np.zeros(rows + 1, dtype=np.bool_)
    broken[[0, -1]] = True
    for ranges in levels:
        broken = broken.copy()
        broken[1:-1] |= ranges[1:] != ranges[:-1]
        found.append(broken)
    return found


def nested_events(start: Ints, end: Ints, depth: Ints) -> Iterator[tuple[int, Ints, Ints]]:
    """A lane, the times of some of its events, and for each the number of the interval that begins (END: one ends).

    `depth` says how many intervals enclose each, itself included. An interval that would cross one of its lane goes to
    the next lane; which encloses which is kept within a lane.
    """
    import numpy as np

    order = np.lexsort((-end, start))
    before = np.searchsorted(start[order], end[order], side="left").astype(np.int64)
    for first in range(0, len(order), CHUNK):  # each ends before the interval of this number begins
        part = before[first : first + CHUNK]
        np.maximum(part, np.arange(first + 1, first + 1 + len(part)), out=part)
    if _is_nested(before, depth, order):
        return _in_one_lane(start, end, order, before)
    return _in_lanes(start, end, order)


def _is_nested(before: Ints, depth: Ints, order: Ints) -> bool:
    """Whether no interval crosses another: whatever is open when one begins encloses it."""
    import numpy as np

    ended = np.bincount(before, minlength=len(order) + 1)
    np.cumsum(ended, out=ended)
    for first in range(0, len(order), CHUNK):
        part = order[first : first + CHUNK]
        still_open = np.arange(first, first + len(part)) - ended[first : first + len(part)]
        if not np.array_equal(still_open, depth[part] - 1):
            return False
    return True


def _in_one_lane(start: Ints, end: Ints, order: Ints, before: Ints) -> Iterator[tuple[int, Ints, Ints]]:
    import numpy as np

    rows = len(order)
    ending = rows - 1 - np.argsort(before[::-1], kind="stable")  # of those that end together the inner one first
    edges = [*range(0, rows, CHUNK), rows]
    edges[-1:] = [rows + 1]  # beyond the last begin: what is open to the end
    places = np.searchsorted(before[ending], edges)
    for at, first in enumerate(edges[:-1]):
        begins = np.arange(first, min(edges[at + 1], rows), dtype=np.int64)
        ends = ending[places[at] : places[at + 1]]
        keys = np.concatenate([2 * before[ends], 2 * begins + 1])
        sequence = np.argsort(keys, kind="stable")
        times = np.concatenate([end[order[ends]], start[order[begins]]])[sequence]
        yield 0, times, np.concatenate([np.full(len(ends), END, dtype=np.int64), order[begins]])[sequence]


def _in_lanes(start: Ints, end: Ints, order: Ints) -> Iterator[tuple[int, Ints, Ints]]:
    import numpy as np

    open_ends: list[list[int]] = []
    for first in range(0, len(order), CHUNK):
        part = order[first : first + CHUNK]
        found = [(array("q"), array("q")) for _ in open_ends]
        for begin, stop, number in zip(start[part].tolist(), end[part].tolist(), part.tolist(), strict=True):
            for lane, stack in enumerate(open_ends):
                times, events = found[lane]
                while stack and stack[-1] <= begin:
                    times.append(stack.pop())
                    events.append(END)
                if not stack or stack[-1] >= stop:
                    break
            else:
                stack, times, events = [], array("q"), array("q")
                open_ends.append(stack)
                found.append((times, events))
            times.append(begin)
            events.append(number)
            stack.append(stop)
        for lane, (times, events) in enumerate(found):
            if len(times):
                yield lane, np.frombuffer(times, dtype=np.int64), np.frombuffer(events, dtype=np.int64)
    for lane, stack in enumerate(open_ends):
        yield lane, np.array(stack[::-1], dtype=np.int64), np.full(len(stack), END, dtype=np.int64)
