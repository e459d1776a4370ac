"""Where blocks and bars stand: nothing overlaps, nothing sticks out, and width is time."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tcscope import compare
from tcscope.model import Report
from tcscope.render.html.strip import wrapped
from tcscope.render.html.waterfall import waterfall
from tests.support.engines import ENGINES

TIMES = st.lists(st.integers(0, 10**12), max_size=60)


@given(TIMES)
def test_blocks_stand_side_by_side_in_order_and_width_is_time(times: list[int]) -> None:
    spans = wrapped(times)
    assert len(spans) == len(times)
    for left, right in pairwise(spans):
        if left.row == right.row:
            assert right.x == pytest.approx(left.x + left.width, abs=1e-6)
        else:
            assert (right.row, right.x) == (left.row + 1, 0)
    for span in spans:
        assert span.x + span.width <= 100 + 1e-6
    if sum(times):
        scale = sum(span.width for span in spans) / sum(times)
        assert all(span.width == pytest.approx(ns * scale, abs=1e-6) for span, ns in zip(spans, times, strict=True))
        assert max(span.x + span.width for span in spans) == pytest.approx(100)


@given(st.lists(st.integers(1, 10**9), min_size=1, max_size=500))
def test_a_strip_never_has_very_many_rows(times: list[int]) -> None:
    assert wrapped(times)[-1].row < 16


def test_a_few_long_layers_need_one_row_and_many_short_ones_several() -> None:
    assert {span.row for span in wrapped([10, 20, 30])} == {0}
    assert wrapped([10] * 300)[-1].row in (2, 3)


@given(st.integers(0, 10**12), st.lists(st.integers(-(10**9), 10**12), max_size=12))
def test_each_bar_begins_where_the_last_one_ended(before: int, changes: list[int]) -> None:
    if min([before, *(before + sum(changes[: n + 1]) for n in range(len(changes)))]) < 0:
        return
    fall = waterfall(before, changes)
    at = fall.before.width
    for step, ns in zip(fall.steps, changes, strict=True):
        assert step.end == pytest.approx(at + step.width * (1 if ns >= 0 else -1), abs=1e-6)
        assert step.x == pytest.approx(min(at, step.end), abs=1e-6)
        at = step.end
    assert fall.after.width == pytest.approx(at, abs=1e-6)
    for step in (fall.before, *fall.steps, fall.after):
        assert -1e-6 <= step.x <= step.x + step.width <= 100 + 1e-6


def test_the_axis_starts_at_0_unless_the_changes_would_be_lost() -> None:
    assert waterfall(400, [30, -150]).origin_ns == 0
    small = waterfall(1_000_000, [3_000, -2_000])
    assert small.origin_ns > 900_000
    assert small.steps[0].width > 10


@settings(max_examples=60)
@given(ENGINES, ENGINES)
def test_layers_of_a_diff_keep_the_order_of_the_new_engine(base: Report, new: Report) -> None:
    diff = compare(base, new)
    placed = sorted((change for change in diff.layers if change.place is not None), key=lambda c: c.place or 0)
    assert [change.place for change in placed] == list(range(len(placed)))
    if diff.by == "kernel":
        assert placed == []
        return
    firsts = [change.new.names[0] for change in placed if change.new]
    order = {layer.name: at for at, layer in reversed(list(enumerate(new.layers)))}
    known = [order[name] for name in firsts if sum(layer.name == name for layer in new.layers) == 1]
    assert known == sorted(known)
