"""Shares, breakdown and kernels of a report."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tcscope import Report, RuleBook, analyze
from tcscope.analysis.summarize import tensor_share
from tcscope.errors import TraceError
from tcscope.model import Op, Precision, TensorShare, Unit
from tests.support.places import FIXTURES, INT8
from tests.support.reports import GTX, H100, NAMELESS, kernel
from tests.support.traces import TraceBuilder

BOOK = RuleBook.builtin()
NAMES = (
    "sm80_xmma_fprop_implicit_gemm_interleaved_i8i8_i8i32_f32_nchw_vect_c_32kcrs_vect_c_32_nchw_vect_c_32_tilesize64x64x64"
    "_stage3_warpsize2x2x1_g1_tensor16x8x32",
    "sm80_xmma_gemm_f16f16_f32f32_f32_tn_n_tilesize128x32x8_stage3_warpsize2x2x1_ffma_aligna2_alignc2",
    "trt_ampere_fp32_icudnn_int8x4_128x64_relu_xregs_small_nn_v1",
    "void genericReformat::copyPackedKernel<float, __half, (bool)1, (bool)1>(int)",
    "nobody_knows_me",
)
FIXTURES_WITH_KERNELS = [path for path in sorted(FIXTURES.glob("*.sqlite")) if path.stem != "h100_no_kernels"]


class TestTensorShare:
    tensor = kernel("t", Unit.TENSOR_CORE, Op.CONV, 50)
    cuda = kernel("c", Unit.CUDA_CORE, Op.GEMM, 20)
    pointwise = kernel("p", Unit.CUDA_CORE, Op.ELEMENTWISE, 10)
    mystery = kernel("m", Unit.UNKNOWN, Op.UNKNOWN, 15)
    maybe = kernel("u", Unit.UNKNOWN, Op.ATTENTION, 5)

    def test_the_bracket_is_open_by_what_is_unknown(self) -> None:
        share = tensor_share([self.tensor, self.cuda, self.pointwise, self.mystery, self.maybe], [H100])
        assert share == TensorShare(low=50 / 100, high=70 / 100, eligible_low=50 / 75, eligible_high=55 / 75)

    def test_it_is_closed_where_all_is_known(self) -> None:
        share = tensor_share([self.tensor, self.cuda, self.pointwise], [H100])
        assert share == TensorShare(50 / 80, 50 / 80, 50 / 70, 50 / 70)

    def test_all_or_nothing(self) -> None:
        assert tensor_share([self.tensor], [H100]) == TensorShare(1.0, 1.0, 1.0, 1.0)
        assert tensor_share([self.cuda], [H100]) == TensorShare(0.0, 0.0, 0.0, 0.0)
        assert tensor_share([self.mystery], [H100]) == TensorShare(0.0, 1.0, None, None)

    def test_without_matrix_work_nothing_is_eligible(self) -> None:
        assert tensor_share([self.pointwise], [H100]) == TensorShare(0.0, 0.0, None, None)

    def test_without_time_there_is_no_share(self) -> None:
        assert tensor_share([kernel("z", Unit.TENSOR_CORE, Op.GEMM, 0)], [H100]) == TensorShare()
        assert tensor_share([], [H100]) == TensorShare()

    def test_without_tensor_cores_there_is_no_share(self) -> None:
        assert tensor_share([self.cuda], [GTX]) == TensorShare()
        assert tensor_share([self.cuda], [GTX, GTX]) == TensorShare()

    @pytest.mark.parametrize("other", [H100, NAMELESS])
    def test_one_gpu_that_may_have_them_is_enough(self, other: object) -> None:
        assert tensor_share([self.tensor, self.cuda], [GTX, other]).low == 50 / 70  # type: ignore[list-item]


RUNS = st.lists(st.tuples(st.sampled_from(NAMES), st.integers(0, 2), st.integers(-5, 900)), min_size=1, max_size=20)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(runs=RUNS, stats=st.booleans())
def test_every_part_sums_to_the_totals(runs: list[tuple[str, int, int]], stats: bool, tmp_path: Path) -> None:
    # GIVEN any launches on a GPU of now, an old one, and one without Tensor Cores
    builder = TraceBuilder().gpu(0).gpu(1, "Tesla V100-SXM2-16GB", "7.0").gpu(2, GTX.name, "7.5", chip="TU117")
    for name, device, ns in runs:
        builder.launch(name, 1000, 1000 + ns, device=device)
    report = analyze(builder.write(tmp_path / "t.sqlite"), stats=stats, book=BOOK)
    whole = len(runs), sum(max(ns, 0) for _, _, ns in runs)
    # THEN kernels, their places, the breakdown and the groups each sum to the totals, and shares to 1
    assert (report.totals.launches, report.totals.kernel_ns) == whole
    for parts in (report.kernels, report.breakdown, report.groups, [p for k in report.kernels for p in k.places]):
        assert (sum(part.launches for part in parts), sum(part.ns for part in parts)) == whole
    if whole[1]:
        assert sum(row.share for row in report.breakdown) == pytest.approx(1)
        assert sum(group.share for group in report.groups) == pytest.approx(1)
    for row in report.breakdown:
        key = (row.unit, row.precision, row.accumulate, row.op)
        of = [k for k in report.kernels if (k.unit, k.precision, k.accumulate, k.op) == key]
        assert (row.launches, row.ns) == (sum(k.launches for k in of), sum(k.ns for k in of))
    assert [k.ns for k in report.kernels] == sorted((k.ns for k in report.kernels), reverse=True)
    assert [row.ns for row in report.breakdown] == sorted((row.ns for row in report.breakdown), reverse=True)
    for k in report.kernels:
        assert (k.launches, k.ns) == (sum(p.launches for p in k.places), sum(p.ns for p in k.places))
    # AND the bracket is that of the kernels
    low = sum(k.ns for k in report.kernels if k.unit is Unit.TENSOR_CORE)
    high = low + sum(k.ns for k in report.kernels if k.unit is Unit.UNKNOWN)
    if whole[1] and report.tensor_share.low is not None:
        assert (report.tensor_share.low, report.tensor_share.high) == (low / whole[1], high / whole[1])
    else:
        assert whole[1] == 0 or {device for _, device, _ in runs} == {2}


def test_a_name_that_ran_on_two_architectures_is_two_kernels(tmp_path: Path) -> None:
    # GIVEN an INT8 kernel on an H100, twice on a V100, whose Tensor Cores know FP16 alone, and on a GTX 1650
    builder = TraceBuilder().gpu(0).gpu(1, "Tesla V100-SXM2-16GB", "7.0", chip="GV100")
    builder.gpu(2, GTX.name, "7.5", chip="TU117").gpu(3)
    for device, ns in ((0, 10), (1, 100), (1, 300), (2, 1000), (3, 30)):
        builder.launch(NAMES[0], 0, ns, device=device)
    report = analyze(builder.write(tmp_path / "t.sqlite"), stats=True, book=BOOK)
    # THEN it is three kernels of the same name, and the two H100s share theirs
    assert {k.name for k in report.kernels} == {NAMES[0]}
    found = [(k.unit, k.precision, k.ns, k.launches, k.median_ns, [p.device for p in k.places]) for k in report.kernels]
    assert found == [
        (Unit.CUDA_CORE, Precision.INT8, 1000, 1, 1000, [2]),
        (Unit.TENSOR_CORE, Precision.UNKNOWN, 400, 2, 200, [1]),
        (Unit.TENSOR_CORE, Precision.INT8, 40, 2, 20, [0, 3]),
    ]
    assert "don't multiply int8" in report.kernels[1].note
    assert "has no Tensor Cores" in report.kernels[0].note


def test_the_same_verdict_on_two_devices_is_one_kernel(tmp_path: Path) -> None:
    builder = TraceBuilder().gpu(0).gpu(1, "NVIDIA A100-SXM4-40GB", "8.0")
    builder.launch(NAMES[0], 0, 7, device=0, pid=1).launch(NAMES[0], 0, 5, device=1, pid=2)
    (found,) = analyze(builder.write(tmp_path / "t.sqlite"), book=BOOK).kernels
    assert (found.launches, found.ns, found.min_ns, found.max_ns) == (2, 12, 5, 7)
    assert [(p.device, p.process, p.launches, p.ns) for p in found.places] == [(0, 1, 1, 7), (1, 2, 1, 5)]


class TestSavedReport:
    @pytest.mark.parametrize("path", FIXTURES_WITH_KERNELS, ids=lambda path: path.stem)
    def test_it_comes_back_the_same(self, path: Path, tmp_path: Path) -> None:
        for report in (analyze(path, book=BOOK), analyze(path, stats=True, skip=3, by=["kernel"], book=BOOK)):
            report.save(tmp_path / "r.json")
            assert Report.load(tmp_path / "r.json") == report
            assert analyze(tmp_path / "r.json", by=report.by) == report

    def test_it_can_be_grouped_again(self, tmp_path: Path) -> None:
        analyze(INT8, book=BOOK).save(tmp_path / "r.json")
        assert analyze(tmp_path / "r.json", by=["op", "unit"]).groups == analyze(INT8, by=["op", "unit"]).groups

    def test_fields_of_a_later_version_are_skipped(self) -> None:
        report = analyze(INT8, book=BOOK)
        data = json.loads(report.to_json())
        data["later"] = {"a": 1}
        data["trace"]["later"] = data["trace"]["devices"][0]["later"] = data["totals"]["later"] = [1]
        for row in (*data["kernels"], *data["breakdown"], *data["findings"]):
            row["later"] = "x"
        assert Report.from_dict(data) == report

    def test_fields_that_have_a_default_may_be_absent(self) -> None:
        data = json.loads(analyze(INT8, book=BOOK).to_json())
        for key in ("groups", "by", "layers"):
            del data[key]
        del data["kernels"][0]["places"]
        report = Report.from_dict(data)
        assert (report.groups, report.by, report.layers, report.kernels[0].places) == ((), (), (), ())

    @pytest.mark.parametrize(
        ("path", "named"),
        [
            (("trace",), "report.trace"),
            (("trace", "file"), "report.trace.file"),
            (("trace", "devices", 0, "index"), "report.trace.devices[0].index"),
            (("kernels", 2, "unit"), "report.kernels[2].unit"),
            (("breakdown", 0, "ns"), "report.breakdown[0].ns"),
            (("kernels", 1, "places", 0, "device"), "report.kernels[1].places[0].device"),
        ],
    )
    def test_a_missing_field_is_named(self, path: tuple[str | int, ...], named: str) -> None:
        data = json.loads(analyze(INT8, book=BOOK).to_json())
        owner = data
        for step in path[:-1]:
            owner = owner[step]
        del owner[path[-1]]
        with pytest.raises(TraceError, match=r"^not a whole report: ") as error:
            Report.from_dict(data)
        assert error.value.message == f"not a whole report: {named} is missing"

    def test_its_schema_is_the_first_field(self) -> None:
        assert next(iter(analyze(INT8, book=BOOK).to_dict().items())) == ("schema", "tcscope.report/1")


def test_to_frame() -> None:
    report = analyze(INT8, stats=True, book=BOOK)
    frame = report.to_frame()
    assert list(frame["name"]) == [k.name for k in report.kernels]
    assert list(frame["ns"]) == [k.ns for k in report.kernels]
    assert list(frame["median_ns"]) == [k.median_ns for k in report.kernels]
    assert frame.columns.get_loc("share") == frame.columns.get_loc("ns") + 1  # type: ignore[operator]
    assert list(frame["share"]) == [k.ns / report.totals.kernel_ns for k in report.kernels]
    assert "places" not in frame.columns
    by_unit = frame.groupby("unit")["ns"].sum()
    assert by_unit["tensor_core"] == sum(k.ns for k in report.kernels if k.unit is Unit.TENSOR_CORE)
    assert by_unit.sum() == 5_437_102


def test_to_frame_of_an_empty_report() -> None:
    data = analyze(INT8, book=BOOK).to_dict() | {"kernels": [], "totals": {}}
    frame = Report.from_dict(data).to_frame()
    assert (len(frame), "share" in frame.columns) == (0, True)
