"""Slices on lanes, held against the definition: nothing on a lane overlaps or crosses, and nothing is lost."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tcscope.analysis.timeline_lanes import lanes, nested_events, row_events
from tcscope.model.timeline import END
from tcscope.sources.nsys.sweep import nest

INTERVALS = st.lists(
    st.tuples(st.integers(0, 30), st.integers(0, 12)).map(lambda at: (at[0], at[0] + at[1])), max_size=25
)


def columns(intervals: list[tuple[int, int]]) -> tuple[np.ndarray, np.ndarray]:
    both = np.array(intervals, dtype=np.int64).reshape(-1, 2)
    return both[:, 0].copy(), both[:, 1].copy()


@given(INTERVALS.map(sorted))
def test_nothing_overlaps_on_a_lane_and_no_lane_is_skipped(intervals: list[tuple[int, int]]) -> None:
    start, end = columns(intervals)
    busy: dict[int, int] = {}
    for (begins, ends), lane in zip(intervals, lanes(start, end).tolist(), strict=True):
        assert busy.get(lane, 0) <= begins
        assert all(busy[lower] > begins for lower in range(lane))
        busy[lane] = ends


@given(INTERVALS)
def test_every_interval_begins_and_ends_nested_on_its_lane(intervals: list[tuple[int, int]]) -> None:
    start, end = columns(intervals)
    tree = nest(start, end)
    depth = np.ones(len(start), dtype=np.int64)
    depth[tree.order] = tree.depth
    stacks: dict[int, list[int]] = defaultdict(list)
    last: dict[int, int] = defaultdict(int)
    found = []
    for lane, times, numbers in nested_events(start, end, depth):
        for ns, number in zip(times.tolist(), numbers.tolist(), strict=True):
            assert ns >= last[lane]
            last[lane] = ns
            if number == END:
                done = stacks[lane].pop()
                assert ns == end[done]
                found.append(done)
            else:
                assert ns == start[number]
                stacks[lane].append(number)
    assert not any(stacks.values())
    assert sorted(found) == list(range(len(intervals)))


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3), st.integers(-1, 2), st.integers(-1, 2)), max_size=20))
def test_ranges_reach_from_the_first_to_the_last_of_neighbouring_rows(rows: list[tuple[int, int, int, int]]) -> None:
    # GIVEN rows one after another, each with an outer and an inner range or none
    at, intervals, outer, inner = 0, [], [], []
    for gap, length, outside, inside in rows:
        intervals.append((at + gap, at + gap + length))
        at += gap + length
        outer.append(outside)
        inner.append(3 + inside + 3 * outside if outside >= 0 and inside >= 0 else -1)
    start, end = columns(intervals)
    kinds = np.arange(12, dtype=np.int64)
    levels = [np.array(outer, dtype=np.int64), np.array(inner, dtype=np.int64)] if rows else []
    # WHEN their events are replayed
    stack: list[tuple[int, int]] = []
    seen = []
    for times, events in row_events(start, end, np.full(len(rows), 100, dtype=np.int64), levels, kinds):
        for ns, kind in zip(times.tolist(), events.tolist(), strict=True):
            if kind == END:
                done, begun = stack.pop()
                if done == 100:
                    seen.append(((begun, ns), [range_ for range_, _ in stack]))
            else:
                stack.append((kind, ns))
    # THEN each row lies in just its ranges, the outer around the inner one
    assert not stack
    assert seen == [
        (interval, [range_ for range_ in ranges if range_ >= 0])
        for interval, *ranges in zip(intervals, outer, inner, strict=True)
    ]
