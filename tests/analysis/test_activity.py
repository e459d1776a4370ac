"""Samples taken apart: what is known of made traces must come back, and of real ones nothing may be claimed wrongly."""

from __future__ import annotations

import csv
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tcscope import RuleBook, analyze
from tcscope.analysis.activity.clock import clock_of
from tcscope.analysis.activity.measure import Activity, _measured
from tcscope.analysis.activity.windows import edges, shares, windows_of
from tcscope.model import Report, Unit
from tcscope.sources.nsys.metrics import Intervals
from tests.support.mixtures import Mixture
from tests.support.places import INT8, INT8_METRICS, REPOSITORY, SHARED_TRACES
from tests.support.traces import TraceBuilder

BOOK = RuleBook.builtin()
TRUTH = REPOSITORY.parent / "shared" / "truth" / "names_counters_h100_trt86_resnet18s.csv"
REAL = {"h100_trt86_resnet18s_int8": 0.99, "h100_trt86_resnet18s_fp16": 0.975, "h100_resnet50_fp16": 0.96}


def activity(mixture: Mixture) -> Activity:
    found = _measured(mixture.samples(), mixture.ran())
    assert found is not None
    return Activity({0: found})


KINDS = {
    "noise": {},
    "much noise and another clock": {"noise": 2.0, "offset": -60_000},
    "dropped samples": {"dropped": 0.2, "offset": 7_000},
    "two streams": {"streams": 2},
    "many kernels": {"kernels": 20, "launches": 4000},
    "few launches": {"launches": 300},
    "a pair that is always together": {"paired": True},
    "activities that begin late": {"late": 1500},
}


def test_known_activities_lie_in_their_intervals() -> None:
    # GIVEN random schedules of every kind, with activities that are known
    right: list[bool] = []
    widths: list[float] = []
    for kind in KINDS.values():
        for seed in range(4):
            mixture = Mixture(seed=seed, **kind)  # type: ignore[arg-type]
            found = activity(mixture)
            for true, name in zip(mixture.activity, mixture.names, strict=True):
                measured = found.of({(name, 0): 1})
                assert measured is not None
                assert measured.tensor_active is not None
                ends = measured.tensor_active.low, measured.tensor_active.high
                right.append(ends[0] - 0.05 <= true <= ends[1] + 0.05)  # they are rounded to a tenth
                widths.append(ends[1] - ends[0])
    # THEN at the level of 95 % at least 93 % lie inside, and not because the intervals are wide
    assert len(right) > 250
    assert np.mean(right) >= 0.93
    assert np.median(widths) < 3


@pytest.mark.parametrize("offset", [-90_000, -20_000, 0, 3_000, 50_000])
def test_the_offset_of_the_clocks_is_found(offset: int) -> None:
    found = activity(Mixture(seed=3, offset=offset)).whole
    assert found.offset_ns == pytest.approx(offset, abs=500)
    assert found.drift_ppm == 0


def test_a_drift_of_the_clocks_is_found_and_undone() -> None:
    # GIVEN clocks that drift by four periods over the trace
    mixture = Mixture(seed=5, launches=16_000, drift=4e-4, kernels=6)
    found = activity(mixture)
    assert found.whole.drift_ppm == pytest.approx(400, rel=0.02)
    for true, name in zip(mixture.activity, mixture.names, strict=True):
        measured = found.of({(name, 0): 1})
        assert measured is not None
        assert measured.tensor_active is not None
        assert measured.tensor_active.value == pytest.approx(true, abs=2)


def test_kernels_always_together_are_surer_together_than_apart() -> None:
    found = activity(Mixture(seed=1, paired=True, launches=2000))

    def width(*names: str) -> float:
        measured = found.of({(name, 0): 1 for name in names})
        assert measured is not None
        assert measured.tensor_active is not None
        return measured.tensor_active.high - measured.tensor_active.low

    assert width("kernel_0", "kernel_1") < min(width("kernel_0"), 20)


def test_kernels_that_nothing_tells_apart_are_not_identifiable() -> None:
    # GIVEN a kernel that runs at exactly the times of another, on another stream
    mixture = Mixture(seed=2, kernels=4)
    ran, twin = mixture.ran(), mixture.code == 0
    ran = Intervals(
        (*ran.names, "twin"),
        np.concatenate([ran.start, ran.start[twin]]),
        np.concatenate([ran.end, ran.end[twin]]),
        np.concatenate([ran.code, np.full(int(twin.sum()), 4)]),
    )
    gpu = _measured(mixture.samples(), ran)
    assert gpu is not None
    found = Activity({0: gpu})
    for name in ("kernel_0", "twin"):
        measured = found.of({(name, 0): 1})
        assert measured is not None
        assert not measured.identifiable
        assert measured.tensor_active is not None
        assert (measured.tensor_active.low, measured.tensor_active.high) == (0, 100)
    other = found.of({("kernel_1", 0): 1})
    assert other is not None
    assert other.identifiable


def test_a_kernel_that_ran_too_little_is_not_identifiable() -> None:
    mixture = Mixture(seed=4)
    rare = np.flatnonzero(mixture.code == 0)[3:]
    mixture.code = np.where(np.isin(np.arange(len(mixture.code)), rare), 1, mixture.code)
    measured = activity(mixture).of({("kernel_0", 0): 1})
    assert measured is not None
    assert measured.windows < 12
    assert not measured.identifiable


def test_what_a_hidden_graph_does_is_not_laid_on_kernels() -> None:
    # GIVEN graphs between the kernels, whose samples are high
    mixture = Mixture(seed=6, kernels=3, activity=np.array([0.0, 30.0, 90.0]))
    ran = mixture.ran()
    hidden = replace(ran, names=ran.names[:2], code=ran.code)  # the third code is now OPAQUE's first: graphs
    gpu = _measured(mixture.samples(), hidden)
    assert gpu is not None
    found = Activity({0: gpu})
    for name, true in (("kernel_0", 0.0), ("kernel_1", 30.0)):
        measured = found.of({(name, 0): 1})
        assert measured is not None
        assert measured.tensor_active is not None
        assert measured.tensor_active.value == pytest.approx(true, abs=1.5)


def test_shares_are_those_of_a_loop_over_windows_and_launches() -> None:
    random = np.random.default_rng(7)
    start = np.sort(random.integers(0, 10_000, 60))
    ran = Intervals(("a", "b"), start, start + random.integers(1, 900, 60), random.integers(0, 2, 60))
    windows, period = windows_of(np.array([100, 600, 1100, 3100, 3600, 4100, 9000]))
    assert period == 500
    expected = np.zeros((len(windows), 2))
    for at, (low, high) in enumerate(zip(windows.start, windows.end, strict=True)):
        for s, e, code in zip(ran.start, ran.end, ran.code, strict=True):
            expected[at, code] += max(min(e, high) - max(s, low), 0) / (high - low)
    share = shares(windows, ran, 2)
    assert share.toarray() == pytest.approx(expected)
    assert edges(windows, ran, share).toarray().sum(axis=0) == pytest.approx(np.zeros(4))  # edges move, and add nothing
    assert (windows.end - windows.start).tolist() == [500] * 7  # also beside the samples that were dropped


def test_a_trace_in_which_nothing_ran_has_no_clock() -> None:
    empty = np.empty(0, dtype=np.int64)
    windows, period = windows_of(np.arange(10) * 100)
    assert clock_of(windows, Intervals((), empty, empty, empty), np.ones(10), period).offset_ns == 0


@pytest.fixture(scope="module")
def report() -> Report:
    return analyze(INT8_METRICS, book=BOOK)


class TestReport:
    def test_the_parts_add_up_to_the_whole(self, report: Report) -> None:
        whole = report.measurement
        assert whole is not None
        assert whole.r2 > 0.98
        assert whole.mean_explained == pytest.approx(whole.mean_sampled, rel=0.03)
        assert whole.tensor_active is not None
        mean = sum(
            k.measured.tensor_active.value * k.ns for k in report.kernels if k.measured and k.measured.tensor_active
        )
        assert whole.tensor_active.value == pytest.approx(mean / report.totals.kernel_ns, abs=0.1)

    def test_it_comes_back_the_same(self, report: Report, tmp_path: Path) -> None:
        report.save(tmp_path / "r.json")
        assert Report.load(tmp_path / "r.json") == report

    def test_it_is_the_same_again(self, report: Report) -> None:
        assert analyze(INT8_METRICS, book=BOOK) == report

    def test_a_selection_is_measured_by_all_launches(self, report: Report) -> None:
        some = analyze(INT8_METRICS, range="inference", skip=40, book=BOOK)
        assert some.totals.launches < report.totals.launches / 4
        all_of = {kernel.name: kernel.measured for kernel in report.kernels}
        assert {kernel.name: kernel.measured for kernel in some.kernels} == all_of

    def test_times_and_shares_are_those_of_the_trace_without_metrics(self, report: Report, tmp_path: Path) -> None:
        bare = tmp_path / INT8_METRICS.name
        bare.write_bytes(INT8_METRICS.read_bytes())
        with closing(sqlite3.connect(bare)) as db:
            db.execute("drop table GPU_METRICS")
        found = analyze(bare, book=BOOK)
        assert found.measurement is None
        assert all(kernel.measured is None for kernel in found.kernels)
        assert "measured" not in found.to_json()
        assert (found.totals, found.tensor_share) == (report.totals, report.tensor_share)

    def test_without_metrics_nothing_is_said(self) -> None:
        assert analyze(INT8, book=BOOK).measurement is None


def test_layers_have_what_their_kernels_did() -> None:
    trace = SHARED_TRACES / "h100_trt86_resnet18s_int8_gpu_metrics.sqlite"
    if not trace.exists():
        pytest.skip("the trace is not here")
    report = analyze(trace, by=["layer"], book=BOOK)
    by_name = {kernel.name: kernel.measured for kernel in report.kernels}
    for layer in report.layers:
        assert layer.measured is not None
        if len(layer.kernels) == 1:
            assert layer.measured.tensor_active == by_name[layer.kernels[0].name].tensor_active  # type: ignore[union-attr]
    stem = next(layer for layer in report.layers if layer.name.startswith("/conv1/Conv"))
    assert stem.measured is not None
    assert stem.measured.tensor_active is not None
    assert 25 < stem.measured.tensor_active.value < 50


@pytest.mark.parametrize("name", REAL)
def test_no_kernel_of_a_real_trace_contradicts_the_counters(name: str) -> None:
    trace = SHARED_TRACES / f"{name}_gpu_metrics.sqlite"
    if not trace.exists() or not TRUTH.exists():
        pytest.skip("the trace is not here")
    report = analyze(trace, book=BOOK)
    assert report.measurement is not None
    assert report.measurement.r2 > REAL[name]
    with TRUTH.open(encoding="utf-8", newline="") as file:
        truth = {row["name"]: row["unit"] for row in csv.DictReader(file)}
    known = 0
    for kernel in report.kernels:
        measured = kernel.measured
        if measured is None or not measured.identifiable or measured.tensor_active is None:
            continue
        unit = truth.get(kernel.name.replace("(bool)1", "true").replace("(bool)0", "false").replace("(int)", ""))
        unit = unit or str(kernel.unit)
        known += 1
        if unit == Unit.TENSOR_CORE:
            assert measured.tensor_active.high > 0, kernel.name
        else:
            assert measured.tensor_active.low < 1, kernel.name  # half a percent is a sample's rounding
    assert known >= 8
    assert not [finding for finding in report.findings if finding.code.startswith("claims-")]
    assert not [finding for finding in report.findings if finding.code == "samples-unexplained"]


def test_two_gpus_are_taken_apart_each_by_its_own_samples(tmp_path: Path) -> None:
    # GIVEN a kernel that is busy on GPU 1 and idle on GPU 0, whose numbers the process has the other way round
    builder = TraceBuilder().gpu(0, cu_device=1).gpu(1, cu_device=0).cuda_device(0, 1).cuda_device(1, 0)
    random = np.random.default_rng(8)
    for ordinal, gpu, busy in ((0, 1, 60.0), (1, 0, 0.0)):
        mixture = Mixture(seed=int(random.integers(99)), kernels=2, launches=900, activity=np.array([busy, 20.0]))
        for start, end, code in zip(mixture.start.tolist(), mixture.end.tolist(), mixture.code.tolist(), strict=True):
            builder.launch(f"kernel_{code}", start, end, device=ordinal)
        samples = dict(zip(mixture.timestamps.tolist(), mixture.values.astype(int).tolist(), strict=True))
        builder.metric("Tensor Active [Throughput %]", samples, metric_id=3 + gpu, gpu=gpu)
    trace = builder.write(tmp_path / "t.sqlite")
    for device, expected in ((1, 60.0), (0, 0.0)):
        report = analyze(trace, device=device, book=BOOK)
        found = next(kernel for kernel in report.kernels if kernel.name == "kernel_0").measured
        assert found is not None
        assert found.tensor_active is not None
        assert found.tensor_active.value == pytest.approx(expected, abs=1.5)
