"""Launches to layers and ranges, held against plain quadratic Python."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tcscope.model import Attribution, RangeLevel, Selection
from tcscope.sources import NsysTrace
from tcscope.sources.nsys.sweep import OUTSIDE, nest
from tests.support.traces import TraceBuilder

FIXTURES = Path(__file__).parents[2] / "fixtures"
INT8, FP16 = (FIXTURES / f"h100_trt86_resnet18s_{name}.sqlite" for name in ("int8", "fp16"))
LAYERS, RANGES = RangeLevel(layers=True), RangeLevel(layers=False)

interval = st.tuples(st.integers(0, 30), st.integers(0, 30)).map(lambda pair: (min(pair), max(pair)))


@given(st.lists(interval, max_size=12), st.lists(interval, min_size=1, max_size=8), st.integers(0, 3))
def test_the_sweep_finds_what_a_search_of_all_ranges_finds(
    ranges: list[tuple[int, int]], calls: list[tuple[int, int]], depth: int
) -> None:
    start, end = (np.array([r[at] for r in ranges], dtype=np.int64) for at in (0, 1))
    begin, finish = (np.array([c[at] for c in calls], dtype=np.int64) for at in (0, 1))
    found = nest(start, end).innermost(begin, finish).tolist()
    for (first, last), number in zip(calls, found, strict=True):
        around = [r for r in ranges if r[0] <= first and last <= r[1]]
        if not around:
            assert number == OUTSIDE
            continue
        # the one that began last; of those the one that ends first
        assert ranges[number] == max(around, key=lambda r: (r[0], -r[1]))


@given(
    st.recursive(st.just(()), lambda inner: st.lists(inner, max_size=3).map(tuple), max_leaves=12), st.integers(1, 4)
)
def test_depth_counts_from_the_outermost_range(tree: tuple[object, ...], depth: int) -> None:
    # GIVEN properly nested ranges, each with a call of its own at its very start
    spans: list[tuple[int, int, list[int]]] = []
    clock = iter(range(10_000))

    def walk(node: tuple[object, ...], path: list[int]) -> None:
        at, first = len(spans), next(clock)
        spans.append((first, 0, [*path, at]))
        next(clock)  # time for the call
        for child in node:
            assert isinstance(child, tuple)
            walk(child, [*path, at])
        spans[at] = (first, next(clock), [*path, at])

    walk(tree, [])
    start, end = (np.array([span[at] for span in spans], dtype=np.int64) for at in (0, 1))
    # WHEN the calls are attributed at a depth
    found = nest(start, end).innermost(start, start + 1, depth).tolist()
    # THEN each lies in its ancestor at that depth, or in its own range where that lies less deep
    assert found == [path[min(depth, len(path)) - 1] for _, _, path in spans]


@dataclass(frozen=True)
class Step:
    """A kernel launched at `at` on thread `tid`, and a range `name` (None: no range) that begins there."""

    at: int
    tid: int
    ns: int
    name: str | None
    length: int
    domain: int


STEPS = st.lists(
    st.builds(
        Step,
        st.integers(0, 40),
        st.sampled_from([1, 2]),
        st.integers(-2, 50),
        st.sampled_from([None, "a", "b", "c", "ExecutionContext::enqueueV3"]),
        st.integers(0, 25),
        st.sampled_from([0, 1]),
    ),
    min_size=1,
    max_size=14,
    unique_by=lambda step: (step.at, step.tid),
)


def write(steps: list[Step], path: Path) -> Path:
    builder = TraceBuilder().gpu().domain("TensorRT")
    for number, step in enumerate(steps):
        builder.launch(
            f"k{number % 3}", 100 * number, 100 * number + step.ns, call=(step.at, step.at + 1), tid=step.tid
        )
        if step.name is not None:
            builder.nvtx(step.name, step.at, step.at + step.length, tid=step.tid, registered=bool(step.domain))
    return builder.write(path)


def expected(steps: list[Step], *, layers: bool) -> Counter[tuple[str | None, str]]:
    """The ns of each (range, kernel), by looking at every range for every launch."""
    sums: Counter[tuple[str | None, str]] = Counter()
    for number, step in enumerate(steps):
        around = [
            r
            for r in steps
            if r.name is not None and r.tid == step.tid and r.at <= step.at and step.at + 1 <= r.at + r.length
            if not layers or (r.domain and not r.name.startswith("ExecutionContext"))
        ]
        inner = max(around, key=lambda r: r.at, default=None)
        sums[inner.name if inner else None, f"k{number % 3}"] += max(step.ns, 0)
    return sums


def by_range(found: Attribution) -> Counter[tuple[str | None, str]]:
    sums: Counter[tuple[str | None, str]] = Counter()
    for part in found.parts:
        sums[found.ranges[part.range] if part.range is not None else None, part.name] += part.ns
    return sums


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS, layers=st.booleans())
def test_attribution_equals_the_quadratic_join(steps: list[Step], layers: bool, tmp_path: Path) -> None:
    trace = NsysTrace(write(steps, tmp_path / "t.sqlite"))
    found, _ = trace.attribute(Selection(), LAYERS if layers else RANGES)
    assert +by_range(found) == +expected(steps, layers=layers)
    assert sum(part.launches for part in found.parts) == len(steps)
    trace.close()


def test_every_launch_of_a_real_engine_lies_in_a_layer() -> None:
    for path, ns, layers in ((INT8, 5437102, 30), (FP16, 7927337, 32)):
        found, iterations = NsysTrace(path).attribute(Selection(), LAYERS)
        assert sum(part.ns for part in found.parts) == ns
        assert not [part for part in found.parts if part.range is None]
        assert len(found.ranges) == layers
        assert iterations is not None
        assert (iterations.name, iterations.count, iterations.kernel_ns) == ("inference", 20, ns)


def test_the_stem_of_the_two_engines() -> None:
    # 61.3 + 29.4 us in the FP16 engine became one kernel of 32.2 us
    fp16, int8 = (
        Counter({name: ns for (name, _), ns in by_range(NsysTrace(path).attribute(Selection(), LAYERS)[0]).items()})
        for path in (FP16, INT8)
    )
    assert fp16["/conv1/Conv + /relu/Relu"] == 1225908
    assert fp16["/maxpool/MaxPool"] == 588973
    assert int8["/conv1/Conv + /relu/Relu + /maxpool/MaxPool"] == 644361


def test_layers_come_in_the_order_in_which_they_first_ran() -> None:
    found, _ = NsysTrace(FP16).attribute(Selection(), LAYERS)
    names = [name for name in found.ranges if name.startswith("/layer")]
    assert names[0].startswith("/layer1/layer1.0/conv1")
    assert names[-1].startswith("/layer3/layer3.1/conv2")


def test_a_selected_range_is_the_inference() -> None:
    found, iterations = NsysTrace(INT8).attribute(Selection(range="inference", skip=5), LAYERS)
    assert iterations is not None
    assert iterations.count == 15
    assert sum(part.ns for part in found.parts) == iterations.kernel_ns


def test_a_launch_call_that_is_missing_leaves_its_kernel_outside(tmp_path: Path) -> None:
    builder = TraceBuilder().gpu().domain("TensorRT").nvtx("layer", 0, 100, registered=True)
    builder.launch("seen", 10, 30, call=(5, 6)).launch("lost", 40, 70, corr=99)
    found, _ = NsysTrace(builder.write(tmp_path / "t.sqlite")).attribute(Selection(), LAYERS)
    assert by_range(found) == {("layer", "seen"): 20, (None, "lost"): 30}
    assert found.unplaced_ns == 30


def test_kernels_of_a_cuda_graph_are_counted_as_hidden(tmp_path: Path) -> None:
    builder = TraceBuilder().gpu().nvtx("replay", 0, 100).api("cudaGraphLaunch_v10000", 5, 6, corr=7)
    for number in range(3):
        builder.launch("k", 10 * number, 10 * number + 4, corr=7)
    path = builder.then("update CUPTI_ACTIVITY_KIND_KERNEL set graphNodeId = 11").write(tmp_path / "t.sqlite")
    found, _ = NsysTrace(path).attribute(Selection(), RANGES)
    assert found.graph_ns == 12
    assert by_range(found) == {("replay", "k"): 12}


@pytest.mark.parametrize("named", [None, "step"])
def test_iterations_measure_wall_span_and_idle(tmp_path: Path, named: str | None) -> None:
    # GIVEN two inferences, each an enqueue alone in a range `step`; the GPU rests 10 ns in the first, 0 in the second
    builder = TraceBuilder().gpu().domain("TensorRT")
    for begin in (0, 1000):
        builder.nvtx("step", begin, begin + 500)
        builder.nvtx("ExecutionContext::enqueueV3", begin + 1, begin + 400, registered=True)
        builder.launch("k", begin + 100, begin + 140, call=(begin + 5, begin + 6))
        gap = 10 if begin == 0 else -20
        builder.launch("k", begin + 140 + gap, begin + 200, call=(begin + 7, begin + 8))
    # WHEN they are found by themselves or by name
    _, iterations = NsysTrace(builder.write(tmp_path / "t.sqlite")).attribute(Selection(range=named), LAYERS)
    # THEN their sums are those of pencil and paper
    assert iterations is not None
    assert (iterations.name, iterations.count, iterations.wall_ns) == ("step", 2, 1000)
    assert (iterations.kernel_ns, iterations.span_ns, iterations.idle_ns) == (40 + 50 + 40 + 80, 200, 10)
