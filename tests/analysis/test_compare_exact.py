"""A diff adds up to the nanosecond, whatever the sides hold."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from hypothesis import event, given, settings
from hypothesis import strategies as st

from tcscope import compare
from tcscope.analysis.difference.sides import apportion, rounded
from tcscope.model import ChangeSide, Diff, Report
from tests.support.engines import ENGINES, conv, engine
from tests.support.reports import REPORTS


def adds_up(diff: Diff) -> None:
    """Causes, layers and parts sum to the change of the totals, and the layers of each side to its total."""
    totals = diff.totals
    assert totals.delta_ns == totals.new.kernel_ns - totals.base.kernel_ns
    assert sum(cause.ns for cause in diff.causes) == totals.delta_ns
    assert sum(change.delta_ns for change in diff.layers) == totals.delta_ns
    by_cause: Counter[str] = Counter()
    for change in diff.layers:
        assert sum(part.ns for part in change.parts) == change.delta_ns
        assert change.delta_ns == ns(change.new) - ns(change.base)
        by_cause.update({part.cause: part.ns for part in change.parts})
    assert {cause.cause: cause.ns for cause in diff.causes} == {c: by_cause[c] for c in by_cause}
    for whole, sides in (
        (totals.base, [change.base for change in diff.layers]),
        (totals.new, [change.new for change in diff.layers]),
    ):
        assert sum(map(ns, sides)) == whole.kernel_ns
        assert sum(side.launches for side in sides if side) == whole.launches


def ns(side: ChangeSide | None) -> int:
    if side is None:
        return 0
    assert sum(side.each_ns) == sum(kernel.ns for kernel in side.kernels) == side.ns
    return side.ns


@settings(max_examples=400, deadline=None)
@given(ENGINES, ENGINES)
def test_engines_add_up(base: Report, new: Report) -> None:
    diff = compare(base, new)
    event(f"by {diff.by}, per {diff.per}")
    adds_up(diff)
    for side, report in ((diff.totals.base, base), (diff.totals.new, new)):
        count = report.iterations.count if report.iterations and diff.per == "inference" else 1
        if diff.by == "layer":
            assert side.kernel_ns == rounded(report.totals.kernel_ns, count)


@settings(max_examples=150, deadline=None)
@given(REPORTS, REPORTS)
def test_reports_without_layers_add_up(base: Report, new: Report) -> None:
    diff = compare(base, new)
    adds_up(diff)
    assert diff.by == "kernel"
    assert (diff.totals.base.kernel_ns, diff.totals.new.kernel_ns) == (base.totals.kernel_ns, new.totals.kernel_ns)


@settings(max_examples=100, deadline=None)
@given(ENGINES)
def test_an_engine_is_itself(one: Report) -> None:
    diff = compare(one, one)
    adds_up(diff)
    assert all(change.delta_ns == 0 for change in diff.layers)
    assert all(change.matched for change in diff.layers)


def test_time_in_no_layer_is_not_lost() -> None:
    more = replace(engine(conv("a", 100)), totals=replace(engine(conv("a", 100)).totals, kernel_ns=130))
    diff = compare(engine(conv("a", 100)), more)
    adds_up(diff)
    assert [(change.name, change.delta_ns) for change in diff.layers if change.delta_ns] == [("(in no layer)", 30)]


@given(st.lists(st.integers(0, 10**9)), st.integers(1, 10**4))
def test_apportion_keeps_the_sum_and_each_value_within_one(values: list[int], count: int) -> None:
    shares = apportion(values, count)
    assert sum(shares) == rounded(sum(values), count)
    assert all(abs(share * count - value) < count for share, value in zip(shares, values, strict=True))


def test_apportion_gives_to_those_that_lost_most() -> None:
    assert apportion([5, 3, 2], 3) == [2, 1, 0]
    assert (rounded(5, 2), rounded(4, 3), rounded(5, 3)) == (3, 1, 2)
