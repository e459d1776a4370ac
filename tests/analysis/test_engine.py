"""A trtexec pair as a report: no trace, yet every number and every output."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import tcscope
from tcscope import RuleBook, analyze
from tcscope.analysis.engine import gaps, match_times, report_of_pair, verdict_of
from tcscope.cli import main
from tcscope.errors import UsageError
from tcscope.hardware import gpu
from tcscope.model import Dtype, Layer, Report, Tensor, Unit
from tcscope.render import comma, terminal
from tcscope.render.markdown import as_markdown
from tcscope.sources.trtexec import EnginePair, Profile, ProfileRow
from tests.support.facts import A100_FP16, A100_QAT, report_of
from tests.support.places import FP16_LAYERS, INT8_LAYERS, SHARED_TRTEXEC

BOOK = RuleBook.builtin()
IMMA = "sm80_xmma_fprop_implicit_gemm_interleaved_i8i8_i8i32_f32_tilesize192x64x64_g1_tensor16x8x32"


def pair(layers: Sequence[Layer], *rows: tuple[str, int], count: int = 10, sm: int | None = 80) -> EnginePair:
    return EnginePair(Path("e.layers.json"), tuple(layers), Profile(count, tuple(ProfileRow(*r) for r in rows)), sm)


def made(*args: object, **options: object) -> Report:
    return report_of_pair(pair(*args, **options), BOOK)  # type: ignore[arg-type]


class TestInt8SlowerThanFp16:
    """The public pair of a ResNet-18 on an A100, from the tables of facts."""

    def test_totals(self) -> None:
        fp16, int8 = report_of(A100_FP16), report_of(A100_QAT)
        assert (fp16.totals.kernel_ns, int8.totals.kernel_ns) == (1_016_832, 1_095_680)
        assert fp16.tensor_share.low == pytest.approx(0.843, abs=5e-4)
        assert int8.tensor_share.low == pytest.approx(0.464, abs=5e-4)
        assert int8.tensor_share.eligible_low == pytest.approx(0.716, abs=5e-4)
        assert int8.tensor_share.high == int8.tensor_share.low  # every layer's unit is known

    def test_the_stem_left_the_tensor_cores(self) -> None:
        before = next(layer for layer in report_of(A100_FP16).layers if "Conv_0" in layer.nodes)
        after = next(layer for layer in report_of(A100_QAT).layers if "Conv_9" in layer.nodes)
        assert (before.unit, before.precision, before.ns) == ("tensor_core", "fp16", 111_616)
        assert (after.unit, after.precision, after.ns) == ("cuda_core", "int8", 201_728)
        assert (after.op, after.type, after.inputs[0].layout) == ("conv", "CaskConvolution", "CHW4")

    def test_reformats_were_added(self) -> None:
        def reformats(report: Report) -> int:
            return sum(kernel.ns for kernel in report.kernels if kernel.op == "reformat")

        assert reformats(report_of(A100_FP16)) == 88_064
        assert reformats(report_of(A100_QAT)) == 278_528
        kernels = {(k.src, k.dst): k.ns for k in report_of(A100_QAT).kernels if k.op == "reformat"}
        assert kernels[Dtype.FP32, Dtype.INT8] == 61_440
        assert kernels[Dtype.FP16, Dtype.INT8] == 171_008

    @pytest.mark.parametrize(("name", "table"), [("fp16", A100_FP16), ("qat", A100_QAT)])
    def test_the_json_files_say_the_same(self, name: str, table: Path) -> None:
        path = SHARED_TRTEXEC / f"resnet18_a100_{name}.graph.json"
        if not path.exists():
            pytest.skip("the public files are not in this checkout")
        public, facts = analyze(path, 80, by=["layer"]).to_dict(), report_of(table).to_dict()
        assert {**public, "trace": None} == {**facts, "trace": None, "findings": public["findings"]}
        assert [f["code"] for f in public["findings"]] == [f["code"] for f in facts["findings"]]


class TestOurEngines:
    def test_int8(self) -> None:
        report = analyze(INT8_LAYERS, 90)
        assert (report.trace.file, report.trace.tool) == (INT8_LAYERS.name, "trtexec")
        assert report.iterations is not None
        assert (report.iterations.name, report.iterations.count) == ("trtexec profile", 50)
        assert report.iterations.kernel_ns == report.totals.kernel_ns == 22_007_680
        assert len(report.layers) == 43
        assert sum(layer.ns for layer in report.layers) == sum(k.ns for k in report.kernels) == 22_007_680
        # its fused stem has no tactic in the file: what it ran on can't be told, and the bracket says so
        stem = next(layer for layer in report.layers if layer.type == "CaskConvActPool")
        assert (stem.unit, stem.op, stem.kernels[0].name) == ("unknown", "conv", "CaskConvActPool")
        low, high = report.tensor_share.low, report.tensor_share.high
        assert low is not None
        assert high is not None
        assert high - low == pytest.approx(stem.ns / report.totals.kernel_ns)

    def test_layers_of_the_profile_and_of_the_trace_agree(self) -> None:
        for layers in (FP16_LAYERS, INT8_LAYERS):
            timed = analyze(layers, 90)
            traced = analyze(layers.with_name(layers.name.replace(".layers.json", ".sqlite")), layers=layers)
            assert [layer.name for layer in timed.layers] == [layer.name for layer in traced.layers]
            for one, other in zip(timed.layers, traced.layers, strict=True):
                assert bool(one.ns) == bool(other.ns)
                if one.unit is not Unit.UNKNOWN and one.ns:
                    assert (one.unit, one.op.is_matrix) == (other.unit, other.op.is_matrix), one.name

    def test_without_a_gpu_it_is_unknown(self) -> None:
        report = analyze(INT8_LAYERS)
        assert [(device.sm, device.has_tensor_cores) for device in report.trace.devices] == [(None, None)]
        assert "unknown-architecture" in [finding.code for finding in report.findings]

    def test_on_a_gpu_without_tensor_cores(self) -> None:
        report = analyze(INT8_LAYERS, 61)
        assert report.tensor_share.low is None
        assert {kernel.unit for kernel in report.kernels} == {"cuda_core"}

    def test_every_output(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        report = analyze(INT8_LAYERS, 90, by=["layer"])
        shown = terminal.as_text(report, top=50)
        assert "kernels 440.2 us an inference (trtexec profile, 50 inferences)" in shown
        assert "/layer2/layer2.0/conv2/Conv" in shown
        assert all(len(line) <= 80 or line.startswith("  hint: ") for line in shown.splitlines())
        assert "int8.layers.json" in as_markdown(report)
        rows = list(csv.DictReader(io.StringIO(comma.groups_csv(report))))
        assert sum(int(row["ns"]) for row in rows) == report.totals.kernel_ns
        report.save(tmp_path / "r.json")
        assert Report.load(tmp_path / "r.json") == report
        for form in ("table", "json", "csv", "md"):
            assert main(["analyze", str(INT8_LAYERS), "--sm", "90", "--by", "layer,unit", "--format", form]) == 0
            assert capsys.readouterr().out

    def test_json_keeps_to_the_schema(self) -> None:
        import jsonschema

        schema = json.loads((Path(tcscope.__file__).parent / "model" / "report.schema.json").read_text())
        jsonschema.validate(json.loads(analyze(INT8_LAYERS, 90).to_json()), schema)


class TestVerdicts:
    def test_a_tactic_is_judged_by_the_rulebook(self) -> None:
        verdict = verdict_of(Layer("a", "CaskConvolution", tactic=IMMA), BOOK, gpu(80))
        assert (verdict.unit, verdict.precision, verdict.op) == ("tensor_core", "int8", "conv")
        assert verdict.rule == "xmma-tensor"

    def test_the_type_tells_the_op_where_the_tactic_does_not(self) -> None:
        verdict = verdict_of(Layer("a", "CaskGemmConvolution", tactic="a_name_that_says_nothing"), BOOK, gpu(80))
        assert (verdict.unit, verdict.op) == ("unknown", "conv")

    @pytest.mark.parametrize(
        ("kind", "unit", "op", "evidence"),
        [
            ("Reformat", "cuda_core", "reformat", "documented"),
            ("TiledPooling", "cuda_core", "pool", "documented"),
            ("PointWiseV2", "cuda_core", "elementwise", "documented"),
            ("CaskConvolution", "unknown", "conv", "none"),
            ("CaskGemmMatrixMultiply", "unknown", "gemm", "none"),
            ("Myelin", "unknown", "unknown", "none"),
            ("", "unknown", "unknown", "none"),
        ],
    )
    def test_without_a_tactic_the_type_counts(self, kind: str, unit: str, op: str, evidence: str) -> None:
        verdict = verdict_of(Layer("a", kind), BOOK, gpu(80))
        assert (verdict.unit, verdict.op, verdict.evidence) == (unit, op, evidence)

    def test_a_reformat_has_a_direction(self) -> None:
        fp16, int8 = Tensor("x", Dtype.FP16, "HWC8"), Tensor("y", Dtype.INT8, "CHW32")
        verdict = verdict_of(Layer("r", "Reformat", inputs=(fp16,), outputs=(int8,)), BOOK, None)
        assert (verdict.src, verdict.dst, verdict.precision) == ("fp16", "int8", "unknown")
        verdict = verdict_of(Layer("p", "TiledPooling", inputs=(fp16,), outputs=(fp16,)), BOOK, None)
        assert (verdict.src, verdict.dst, verdict.precision) == (None, None, "fp16")


class TestTimes:
    def test_a_layer_is_one_launch_an_inference(self) -> None:
        report = made([Layer("a", "Reformat"), Layer("b", "Reformat")], ("a", 1000), ("b", 3000))
        assert (report.totals.launches, report.totals.kernel_ns) == (20, 4000)
        (kernel,) = report.kernels
        assert (kernel.name, kernel.launches, kernel.min_ns, kernel.max_ns) == ("Reformat", 20, 100, 300)

    def test_rows_of_0_ns(self) -> None:
        layers = [Layer("c", "Constant"), Layer("n", "NoOp"), Layer("conv", "CaskConvolution", tactic=IMMA)]
        report = made(layers, ("c", 0), ("n", 0), ("conv", 0))
        assert (report.kernels, report.totals.kernel_ns, report.tensor_share.low) == ((), 0, None)
        assert [(layer.name, layer.launches, len(layer.kernels)) for layer in report.layers] == [
            ("c", 0, 0),
            ("n", 0, 0),
            ("conv", 0, 1),
        ]
        assert "n/a" in terminal.as_text(report)

    def test_a_no_op_that_took_time_keeps_it(self) -> None:
        report = made([Layer("n", "NoOp")], ("n", 500))
        assert [(kernel.name, kernel.ns) for kernel in report.kernels] == [("NoOp", 500)]

    @pytest.mark.parametrize(
        ("layers", "rows", "times", "strange"),
        [
            (["a", "b"], [("b", 2), ("a", 1)], [1, 2], []),
            (["a", "a"], [("a", 1), ("a", 2)], [1, 2], []),
            (["a"], [("a", 1), ("a", 2)], [3], []),
            (["a", "a"], [("a", 1), ("a", 2), ("a", 4)], [1, 6], []),
            (["a"], [("a", 1), ("z", 2), ("y", 0)], [1], ["z"]),
            (["a [profile 1]"], [("a", 1)], [1], []),
            (["a"], [("a [profile 1]", 1)], [1], []),
            (["a", "a [profile 1]"], [("a", 1)], [1], []),
            (["a", "a [profile 1]"], [("a [profile 1]", 1)], [1], []),
        ],
    )
    def test_rows_find_their_layers(
        self, layers: list[str], rows: list[tuple[str, int]], times: list[int], strange: list[str]
    ) -> None:
        found, left = match_times([Layer(name) for name in layers], [ProfileRow(*row) for row in rows])
        assert found == times
        assert [row.name for row in left] == strange

    def test_rows_without_a_layer_keep_their_time_and_are_said(self) -> None:
        one = pair([Layer("a", "Reformat")], ("a", 10), ("z", 5))
        report = report_of_pair(one, BOOK)
        assert report.totals.kernel_ns == 15
        assert [(layer.name, layer.ns, layer.unit) for layer in report.layers][1] == ("z", 5, "unknown")
        (said,) = gaps(one)
        assert (said.code, said.ns, said.layers) == ("rows-without-layer", 5, ("z",))

    @given(
        names=st.lists(st.sampled_from(["a", "b", "a [profile 1]", "c"]), max_size=6),
        rows=st.lists(st.tuples(st.sampled_from(["a", "b", "a [profile 1]", "d"]), st.integers(0, 10**6)), max_size=8),
    )
    def test_no_time_is_ever_lost(self, names: list[str], rows: list[tuple[str, int]]) -> None:
        report = made([Layer(name, "Reformat") for name in names], *rows)
        whole = sum(ns for _, ns in rows)
        assert report.totals.kernel_ns == whole
        assert sum(layer.ns for layer in report.layers) == whole
        assert sum(kernel.ns for kernel in report.kernels) == whole


@pytest.mark.parametrize("options", [{"range": "x"}, {"skip": 2}, {"device": 0}, {"stats": True}])
def test_a_profile_has_nothing_to_select(options: dict[str, object]) -> None:
    with pytest.raises(UsageError, match="with its profile holds sums, and no launch to select"):
        analyze(INT8_LAYERS, **options)  # type: ignore[arg-type]
