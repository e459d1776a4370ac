"""What a history keeps of a check, what a metric was in a run, and which run began a change."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timezone
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given

from tcscope.analysis import history
from tcscope.analysis.budget.run import report_of
from tcscope.analysis.history_trend import differs, trend
from tcscope.errors import TraceError, UsageError
from tcscope.model import Device, Op, Report, Selection, Unit
from tcscope.model.check import Measure, Outcome
from tcscope.model.history import Figure, Trend
from tests.support import checks
from tests.support.places import FP16, INT8
from tests.support.reports import REPORTS, kernel, report

NOW = datetime(2026, 11, 23, 6, 7, 8, tzinfo=timezone.utc)
FFMA = kernel("a_ffma", Unit.CUDA_CORE, Op.CONV, 300)
HMMA = kernel("a_hmma", Unit.TENSOR_CORE, Op.CONV, 700, launches=3)
PASSED = checks.check(checks.condition(text="tensor_share < 50%", baseline=None))


@pytest.fixture(scope="module")
def fp16() -> Report:
    return report_of(FP16, Selection("inference"))


def value_of(made: Report, metric: str, *conditions: str) -> float | None:
    found = checks.check(*(checks.condition(text=text) for text in conditions)) if conditions else PASSED
    figure = history.figure_in(history.run_of(made, found, "c", NOW), history.metric_of(metric))
    return None if figure is None else figure.value


def test_a_run_says_what_was_checked(fp16: Report) -> None:
    run = history.run_of(fp16, PASSED, "c0ffee", NOW)
    assert (run.commit, run.time, run.outcome) == ("c0ffee", "2026-11-23T06:07:08", Outcome.PASSED)
    assert (run.trace, run.gpu) == (FP16.name, "NVIDIA H100 80GB HBM3 sm_90")
    assert (run.selection, run.captured) == ("range 'inference'", fp16.trace.captured)
    assert sum(kernel.ns for kernel in run.kernels) == fp16.totals.kernel_ns
    assert [(k.name, k.ns, k.launches) for k in run.kernels] == [(k.name, k.ns, k.launches) for k in fp16.kernels]
    figures = {figure.metric: figure for figure in run.figures}
    assert set(figures) == set(history.KEPT)
    assert figures["tensor_share"].value == fp16.tensor_share.low
    assert figures["kernel_time"].value == fp16.totals.kernel_ns
    assert (figures["kernel_time_per_range"].noise_ns or 0) > 0
    assert figures["launches"].noise_ns is None


def test_neither_host_nor_folder_nor_process_is_kept(fp16: Report) -> None:
    trace = replace(fp16.trace, host="secret-host", file="resnet.sqlite")
    assert "secret" not in repr(history.run_of(replace(fp16, trace=trace), PASSED, "", NOW))
    assert str(FP16.parent) not in repr(history.run_of(fp16, PASSED, "", NOW))


def test_the_digest_is_that_of_the_measurement_alone(fp16: Report) -> None:
    same = history.digest(fp16)
    renamed = replace(fp16, trace=replace(fp16.trace, file="other.json", host="x"))
    assert history.digest(renamed) == same
    judged = tuple(replace(k, unit=Unit.UNKNOWN, rule=None) for k in reversed(fp16.kernels))
    assert history.digest(replace(fp16, kernels=judged, layers=(), findings=())) == same
    slower = (replace(fp16.kernels[0], ns=fp16.kernels[0].ns + 1), *fp16.kernels[1:])
    assert history.digest(replace(fp16, kernels=slower)) != same
    whole = replace(fp16.trace, selection=Selection())
    assert history.digest(replace(fp16, trace=whole)) != same
    other = replace(fp16.trace, devices=(Device(0, "Orin", 87),))
    assert history.digest(replace(fp16, trace=other)) != same
    assert history.digest(report_of(INT8, Selection("inference"))) != same


def test_a_saved_report_is_the_same_measurement(fp16: Report, tmp_path: Path) -> None:
    fp16.save(tmp_path / "report.json")
    assert history.digest(Report.load(tmp_path / "report.json")) == history.digest(fp16)


@pytest.mark.parametrize(
    ("metric", "expected"),
    [
        ("unit.tensor_core.share", 0.7),
        ("precision.int8.share", 0.0),
        ("op.conv.share", 1.0),
        ('kernel["*ffma*"].share', 0.3),
        ('kernel["*ffma*"].kernel_time', 300),
        ('kernel["*_hmma"].launches', 3),
        ('kernel["none"].kernel_time', 0),
        ('kernel["a*"].unit.cuda_core.share', 0.3),
        ("launches", 4),
        ("kernel_time", 1000),
        ("kernel_time_per_range", None),
        ('layer["a"].kernel_time', None),
        ('kernel["a*"].reformat_time', None),  # not told by sums of kernels
        ('kernel["none"].unit.cuda_core.share', None),
    ],
)
def test_metrics_of_a_run(metric: str, expected: float | None) -> None:
    assert value_of(report(FFMA, HMMA), metric) == (expected if expected is None else pytest.approx(expected))


def test_what_a_condition_measured_is_kept(fp16: Report) -> None:
    metric = 'layer["/conv1/*"].kernel_time'
    conv1 = next(layer for layer in fp16.layers if layer.name.startswith("/conv1/"))
    assert value_of(fp16, metric) is None
    assert value_of(fp16, metric, f"{metric} > 1ms") == conv1.ns
    assert value_of(fp16, 'layer[ "/conv1/*" ] . kernel_time', f"{metric} > 1ms") == conv1.ns  # however it's spelt
    assert value_of(fp16, "tensor_share", 'layer["/conv1/*"].unit != tensor_core') == fp16.tensor_share.low


def test_a_gpu_without_tensor_cores_has_no_share_of_them() -> None:
    nano = Device(0, "Nano", 53, 1, False)
    assert value_of(report(FFMA, devices=(nano,)), "tensor_share") is None
    assert value_of(report(FFMA, devices=(nano,)), "kernel_time") == 300


@given(REPORTS)
def test_shares_are_those_of_plain_sums(made: Report) -> None:
    whole = sum(kernel.ns for kernel in made.kernels)
    for unit in Unit:
        part = sum(kernel.ns for kernel in made.kernels if kernel.unit is unit)
        expected = float(Fraction(part, whole)) if whole else None
        assert value_of(made, f"unit.{unit}.share") == expected


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("tensor_shar", "did you mean 'tensor_share'"),
        ("precision.int8", "'precision.int8' is no metric: write precision.int8.share"),
        ("unit", "is of layers or kernels"),
        ('kernel["x"].unit', "is a word and has no trend"),
        ("tensor_share < 5%", "is no metric"),
        ("", "is no metric"),
        ('kernel["x].share', "is no metric"),
    ],
)
def test_what_is_no_metric_is_told(text: str, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        history.metric_of(text)
    assert said in caught.value.message
    assert caught.value.hint


@pytest.mark.parametrize(("text", "meant"), [("tensr", "tensor_share"), ("kernl", "kernel_time")])
def test_a_misspelt_metric_is_told_once_with_what_was_meant(text: str, meant: str) -> None:
    with pytest.raises(UsageError) as caught:
        history.metric_of(text)
    assert caught.value.message == f"no metric '{text}', did you mean '{meant}'?"


def figures(measure: Measure, *values: float, noise: int | None = None) -> list[Figure]:
    return [Figure("m", measure, value, noise) for value in values]


@pytest.mark.parametrize(
    ("measure", "level", "value", "noise", "expected"),
    [
        (Measure.SHARE, [0.800], 0.801, None, False),
        (Measure.SHARE, [0.800], 0.8011, None, True),
        (Measure.SHARE, [0.800], 0.7989, None, True),
        (Measure.SHARE, [0.800, 0.801, 0.801], 0.8019, None, False),  # the median counts
        (Measure.COUNT, [640], 640, None, False),
        (Measure.COUNT, [640], 641, None, True),
        (Measure.TIME, [1000], 1050, None, False),
        (Measure.TIME, [1000], 1051, None, True),
        (Measure.TIME, [1000], 1010, 2, False),
        (Measure.TIME, [1000], 1011, 2, True),
        (Measure.TIME, [1000], 1019, 20, False),
        (Measure.TIME, [1000], 1021, 20, True),
        (Measure.TIME, [0], 0, None, False),
        (Measure.TIME, [0], 1, None, True),
    ],
)
def test_what_is_a_change(
    measure: Measure, level: list[float], value: float, noise: int | None, expected: bool
) -> None:
    (figure,) = figures(measure, value, noise=noise)
    assert differs(figure, figures(measure, *level, noise=noise)) is expected


def filled(path: Path, shares: list[int], **fields: object) -> Path:
    """A history of one run for each share of Tensor Cores, in per mille."""
    for number, share in enumerate(shares):
        kernels = [replace(HMMA, ns=share), replace(FFMA, ns=1000 - share, max_ns=number)]
        made = report(*kernels)
        made = replace(made, trace=replace(made.trace, **fields))  # type: ignore[arg-type]
        assert history.append(path, made, PASSED, f"c{number}", NOW)
    return path


def test_the_first_run_of_each_change_is_marked(tmp_path: Path) -> None:
    path = filled(tmp_path / "tcscope.db", [800, 800, 801, 500, 500, 800, 800])
    (series,) = trend(path, "tensor_share").series
    assert [point.commit for point in series.points if point.changed] == ["c3", "c5"]
    assert [point.value for point in series.points] == [0.8, 0.8, 0.801, 0.5, 0.5, 0.8, 0.8]
    changes = [point.change for point in series.points]
    assert changes[0] is None
    assert changes[1:] == pytest.approx([0, 0.001, -0.301, 0, 0.3, 0])


def test_a_slow_drift_is_a_change_in_the_end(tmp_path: Path) -> None:
    path = filled(tmp_path / "tcscope.db", [800, 801, 802, 803, 804])
    (series,) = trend(path, "tensor_share").series
    assert [point.commit for point in series.points if point.changed] == ["c2", "c4"]


def test_the_last_runs_keep_their_marks(tmp_path: Path) -> None:
    path = filled(tmp_path / "tcscope.db", [800, 800, 500, 500])
    (series,) = trend(path, "tensor_share", last=2).series
    assert [(point.commit, point.changed) for point in series.points] == [("c2", True), ("c3", False)]
    assert series.earlier == 2
    assert trend(path, "tensor_share", last=99).series[0].earlier == 0


def test_what_can_t_be_compared_is_a_series_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "tcscope.db"
    traces: list[dict[str, object]] = [
        {"file": "a.sqlite"},
        {"file": "b.sqlite"},
        {"file": "a.sqlite", "devices": (Device(0, "Orin", 87),)},
        {"file": "a.sqlite", "selection": Selection("inference", 5, 0)},
    ]
    for number, fields in enumerate(traces):
        filled(path, [700 + number, 300 + number], **fields)
    found = trend(path, "tensor_share")
    assert [(series.trace, series.gpu, series.selection) for series in found.series] == [
        ("a.sqlite", "NVIDIA H100 sm_90", ""),
        ("b.sqlite", "NVIDIA H100 sm_90", ""),
        ("a.sqlite", "Orin sm_87", ""),
        ("a.sqlite", "NVIDIA H100 sm_90", "range 'inference', skip 5, device 0"),
    ]
    assert [series.points[0].value for series in found.series] == [0.7, 0.701, 0.702, 0.703]
    assert [series.trace for series in trend(path, "tensor_share", trace="b*").series] == ["b.sqlite"]
    with pytest.raises(UsageError, match=r"no trace 'c\*' in .*: it has a\.sqlite, b\.sqlite"):
        trend(path, "tensor_share", trace="c*")


def test_runs_that_don_t_know_a_metric_are_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "tcscope.db"
    metric = 'kernel["*"].reformat_time'
    knows = checks.check(checks.condition(text=f"{metric} > 1ms"))
    for number, found in enumerate([PASSED, knows, PASSED, knows]):
        history.append(path, report(replace(HMMA, max_ns=number)), found, f"c{number}", NOW)
    (series,) = trend(path, metric).series
    assert [(point.value, point.change) for point in series.points] == [(None, None), (0, None), (None, None), (0, 0)]
    with pytest.raises(TraceError, match="knows layer"):
        trend(path, 'layer["x"].share')


def test_an_empty_history_can_t_answer(tmp_path: Path) -> None:
    (tmp_path / "tcscope.db").touch()
    with pytest.raises(TraceError, match="holds no run yet"):
        trend(tmp_path / "tcscope.db", "tensor_share")


def test_the_noise_that_was_measured_decides(fp16: Report, tmp_path: Path) -> None:
    # GIVEN two runs that differ by 2 %, each with instances that hardly vary
    path = tmp_path / "tcscope.db"
    assert fp16.iterations is not None
    slower = replace(fp16.iterations, kernel_ns=fp16.iterations.kernel_ns * 51 // 50)
    history.append(path, fp16, PASSED, "c0", NOW)
    history.append(path, replace(fp16, iterations=slower), PASSED, "c0", NOW)  # the kernels are the same: one run
    history.append(path, replace(fp16, iterations=slower), PASSED, "c1", NOW)
    # THEN it is a change, which it would not be without a noise to hold it against
    (series,) = trend(path, "kernel_time_per_range").series
    assert [point.changed for point in series.points] == [False, True]
    silent = replace(slower, instances=())
    history.append(path, replace(fp16, iterations=replace(silent, count=slower.count * 50 // 49)), PASSED, "c2", NOW)
    assert [point.changed for point in trend(path, "kernel_time_per_range").series[0].points][2:] == [False]


def test_the_noise_of_a_part_is_that_of_the_whole_by_the_root_of_its_share(fp16: Report) -> None:
    run = history.run_of(fp16, PASSED, "c", NOW)
    whole = next(figure for figure in run.figures if figure.metric == "kernel_time")
    every = history.figure_in(run, history.metric_of('kernel["*"].kernel_time'))
    some = history.figure_in(run, history.metric_of('kernel["*trt_conv*"].kernel_time'))
    assert whole.noise_ns is not None
    assert every is not None
    assert (every.value, every.noise_ns) == (whole.value, whole.noise_ns)
    assert some is None or some.noise_ns is None or some.noise_ns <= whole.noise_ns


def test_a_trend_is_a_document(tmp_path: Path) -> None:
    found = trend(filled(tmp_path / "tcscope.db", [800, 500]), "kernel_time")
    assert Trend.from_dict(found.to_dict()) == found
    assert found.to_dict()["schema"] == "tcscope.history/1"
    assert found.series[0].points[0].value == 1000
    assert '"value": 1000,' in found.to_json()
