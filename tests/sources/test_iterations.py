"""Inferences one by one: against plain Python, and each rule by example."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from tcscope import RuleBook, analyze
from tcscope.model import Instance, Iterations, RangeLevel
from tests.support.places import INT8
from tests.support.traces import TraceBuilder

BOOK = RuleBook.builtin()
LAYERS = RangeLevel()
RANDOM = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])

SPANS = st.tuples(st.integers(0, 60), st.integers(0, 20))  # start, length


def iterations_of(builder: TraceBuilder, tmp_path: Path, name: str | None = None) -> Iterations | None:
    path = builder.gpu().write(tmp_path / "t.sqlite")
    return analyze(path, range=name, level=LAYERS, book=BOOK).iterations


def found(builder: TraceBuilder, tmp_path: Path, name: str | None = None) -> Iterations:
    iterations = iterations_of(builder, tmp_path, name)
    assert iterations is not None
    return iterations


def expected(ranges: list[tuple[int, int]], kernels: list[list[tuple[int, int]]]) -> list[Instance]:
    """Each instance with its kernels, by counting nanoseconds one by one."""
    rows = []
    for (start, end), mine in zip(ranges, kernels, strict=True):
        if not mine:
            continue
        first, last = min(begin for begin, _ in mine), max(begin + length for begin, length in mine)
        busy = {ns for begin, length in mine for ns in range(begin, begin + length)}
        total = sum(length for _, length in mine)
        rows.append((start, Instance(start, end - start, len(mine), total, last - first, last - first - len(busy))))
    begin = min((start for start, _ in rows), default=0)
    return [
        Instance(x.start_ns - begin, x.wall_ns, x.launches, x.kernel_ns, x.span_ns, x.idle_ns) for _, x in sorted(rows)
    ]


@RANDOM
@given(st.lists(st.lists(SPANS, max_size=4), min_size=1, max_size=5))
def test_instances_are_what_counting_says(tmp_path: Path, kernels: list[list[tuple[int, int]]]) -> None:
    # GIVEN ranges one after another, each launching kernels that run at any time, also while those of others do
    builder = TraceBuilder()
    ranges = [(100 * at, 100 * at + 90) for at in range(len(kernels))]
    for (start, end), mine in zip(ranges, kernels, strict=True):
        builder.nvtx("r", start, end)
        for number, (begin, length) in enumerate(mine):
            builder.launch("k", begin, begin + length, call=(start + number, start + number + 1))
    if not any(kernels):
        return
    # WHEN they are read
    iterations = found(builder, tmp_path, "r")
    # THEN each has its own time, and the sums are theirs
    wanted = expected(ranges, kernels)
    event(f"{len(wanted)} instances")
    assert list(iterations.instances) == wanted
    assert iterations.count == len(wanted)
    for field in ("wall_ns", "kernel_ns", "span_ns", "idle_ns"):
        assert getattr(iterations, field) == sum(getattr(instance, field) for instance in wanted)


def test_the_int8_engine_of_the_h100() -> None:
    iterations = analyze(INT8, level=LAYERS).iterations
    assert iterations is not None
    assert (iterations.name, iterations.count) == ("inference", 20)
    assert [round(ns / 20_000, 1) for ns in (iterations.wall_ns, iterations.kernel_ns)] == [508.3, 271.9]
    assert {instance.launches for instance in iterations.instances} == {42}
    starts = [instance.start_ns for instance in iterations.instances]
    assert starts[0] == 0
    assert starts == sorted(starts)


def test_a_thousand_are_kept(tmp_path: Path) -> None:
    builder = TraceBuilder()
    for at in range(1003):
        builder.nvtx("r", 10 * at, 10 * at + 9).launch("k", 10 * at, 10 * at + 2, call=(10 * at + 1, 10 * at + 2))
    iterations = found(builder, tmp_path, "r")
    assert (iterations.count, len(iterations.instances)) == (1003, 1000)
    assert iterations.kernel_ns == 2006
    assert iterations.instances[-1].start_ns == 9990


def test_a_range_that_never_ends_lasts_until_its_last_kernel(tmp_path: Path) -> None:
    builder = TraceBuilder().nvtx("r", 10, None).launch("k", 30, 50, call=(11, 12))
    assert found(builder, tmp_path, "r").wall_ns == 40


@pytest.mark.parametrize("name", ["ExecutionContext::enqueue", "ExecutionContext::enqueueV3"])
def test_without_a_name_the_range_around_each_enqueue(name: str, tmp_path: Path) -> None:
    builder = TraceBuilder().domain("TensorRT")
    for start in (0, 100):
        builder.nvtx("infer", start, start + 50).nvtx(name, start + 5, start + 40, registered=True)
        builder.launch("k", start + 20, start + 30, call=(start + 10, start + 12))
    iterations = found(builder, tmp_path)
    assert (iterations.name, iterations.count, iterations.wall_ns) == ("infer", 2, 100)


def test_a_trace_without_ranges_has_none(tmp_path: Path) -> None:
    assert iterations_of(TraceBuilder().launch("k", 30, 50, call=(11, 12)), tmp_path) is None
