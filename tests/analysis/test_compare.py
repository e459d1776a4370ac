"""What moved between real engines, as an engineer who knows TensorRT would say it."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

import tcscope
from tcscope.errors import TraceError, UsageError
from tcscope.model import Cause, Change, Diff, Unit
from tests.analysis.test_compare_exact import adds_up
from tests.support.facts import A100_FP16, A100_QAT, report_of
from tests.support.places import FP16, GRAPHS, INT8, REPOSITORY, SHARED_TRACES
from tests.support.traces import TraceBuilder

TRTEXEC = REPOSITORY.parent / "shared" / "trtexec"
STEM = "/conv1/Conv + /relu/Relu + /maxpool/MaxPool"


def named(diff: Diff, name: str) -> Change:
    (change,) = [change for change in diff.layers if change.name == name]
    return change


def by_cause(diff: Diff) -> dict[str, tuple[int, int]]:
    """Cause: layers, change in ns."""
    return {str(row.cause): (row.layers, row.ns) for row in diff.causes}


@pytest.fixture(scope="module")
def gained() -> Diff:
    return tcscope.compare(FP16, INT8)


def test_the_kernels_gained_a_third_and_an_inference_nothing(gained: Diff) -> None:
    base, new = gained.totals.base, gained.totals.new
    adds_up(gained)
    assert (gained.per, gained.by, gained.base.inferences, gained.new.inferences) == ("inference", "layer", 20, 20)
    assert (base.kernel_ns, new.kernel_ns) == (396_367, 271_855)
    assert (base.wall_ns, new.wall_ns) == (523_698, 508_258)
    assert (base.idle_ns, new.idle_ns) == (89_986, 188_850)
    assert (base.launches, new.launches) == (32, 42)
    finding = next(finding for finding in gained.findings if finding.code == "launch-bound")
    assert finding.message == (
        "launch-bound: the kernels gained 124.5 us, an inference only 15.4 us:"
        " the GPU idles 188.8 us of 508.3 us, waiting for launches"
    )


def test_the_stem_became_one_int8_kernel(gained: Diff) -> None:
    stem = named(gained, STEM)
    assert stem.base is not None
    assert stem.new is not None
    assert stem.cause is Cause.FUSION_MERGED
    assert stem.base.names == ("/conv1/Conv + /relu/Relu", "/maxpool/MaxPool")
    assert stem.base.each_ns == (61_295, 29_449)
    assert stem.new.ns == 32_218
    assert (stem.base.precision, stem.new.precision) == ("fp16", "int8")


def test_the_glue_of_the_int8_engine(gained: Diff) -> None:
    padded = [c for c in gained.layers for part in c.parts if part.cause is Cause.GLUE_ADDED]
    assert by_cause(gained)["glue-added"] == (12, 29_978)
    assert all(change.new and change.new.launches == 2 for change in padded)
    copies = [change for change in gained.layers if change.name.startswith("Identity_")]
    assert sum(change.new.ns for change in copies if change.new) == 13_681
    assert sum(change.base.ns for change in copies if change.base) == 13_652
    assert (gained.totals.base.glue_ns, gained.totals.new.glue_ns) == (13_652, 43_659)
    assert {change.cause for change in copies} == {Cause.SAME_KERNEL, Cause.OTHER_TACTIC}
    (glue,) = [finding for finding in gained.findings if finding.code == "glue"]
    assert "12 padBiasWeights inside layers 30.0 us, 12 launches such as Identity_0 13.7 us" in glue.message


def test_the_reformats_of_both_engines(gained: Diff) -> None:
    first = named(gained, f"Reformatting CopyNode for Input Tensor 0 to {STEM}")
    assert first.base is not None
    assert first.new is not None
    assert (first.base.ns, first.new.ns, first.cause, first.matched) == (15_816, 13_123, "precision-changed", "target")
    assert ((first.base.src, first.base.dst), (first.new.src, first.new.dst)) == (("fp32", "fp16"), ("fp32", "int8"))
    last = named(gained, "Reformatting CopyNode for Input Tensor 0 to reshape_after_/fc/Gemm")
    assert (last.cause, last.new, last.delta_ns) == (Cause.REFORMAT_GONE, None, -1280)


def test_every_convolution_changed_precision_on_tensor_cores(gained: Diff) -> None:
    convolutions = [c for c in gained.layers if c.new and c.new.op.is_matrix and c.name != STEM]
    assert len(convolutions) == 15
    for change in convolutions:
        assert Cause.PRECISION_CHANGED in {part.cause for part in change.parts}
        assert change.base is not None
        assert {change.base.unit, change.new.unit if change.new else None} == {Unit.TENSOR_CORE}


def test_the_way_back_is_the_mirror(gained: Diff) -> None:
    back = tcscope.compare(INT8, FP16)
    adds_up(back)
    assert back.totals.delta_ns == -gained.totals.delta_ns
    mirrored = {"glue-added": "glue-gone", "fusion-merged": "fusion-split", "reformat-gone": "reformat-added"}
    assert by_cause(back) == {mirrored.get(k, k): (count, -ns) for k, (count, ns) in by_cause(gained).items()}


def test_saved_reports_say_the_same(gained: Diff, tmp_path: Path) -> None:
    saved = tmp_path / "base.json"
    tcscope.analyze(FP16, by=["layer"]).save(saved)
    assert tcscope.compare(saved, INT8) == gained
    assert tcscope.compare(saved, INT8, range="inference").totals == gained.totals
    assert Diff.from_dict(gained.to_dict()) == gained


def test_a_report_without_layers_is_compared_by_kernel() -> None:
    diff = tcscope.compare(tcscope.analyze(FP16), tcscope.analyze(INT8, by=["layer"]))
    adds_up(diff)
    assert (diff.by, diff.per) == ("kernel", "trace")
    assert {finding.code for finding in diff.findings} >= {"no-layers", "whole-traces"}
    assert by_cause(diff)["precision-changed"][0] == 1  # all convolutions together


def test_a_trace_against_itself() -> None:
    diff = tcscope.compare(INT8, INT8)
    adds_up(diff)
    assert by_cause(diff) == {"same-kernel": (30, 0)}
    assert diff.findings == ()


@pytest.fixture(scope="module")
def slower() -> Diff:
    return tcscope.compare(report_of(A100_FP16), report_of(A100_QAT))


def test_the_quantized_engine_is_slower_for_its_stem(slower: Diff) -> None:
    adds_up(slower)
    assert slower.totals.delta_ns == 78_848
    assert slower.layers[0].cause is slower.causes[0].cause is Cause.LEFT_TENSOR_CORES
    stem = slower.layers[0]
    assert (stem.name, stem.delta_ns) == ("conv1.weight + QuantizeLinear_7 + Conv_9", 90_112)
    assert stem.base is not None
    assert stem.new is not None
    assert (stem.base.names, stem.base.unit, stem.base.precision) == (("Conv_0 + Relu_1",), "tensor_core", "fp16")
    assert (stem.new.unit, stem.new.precision) == ("cuda_core", "int8")
    assert slower.findings[0].code == "left-tensor-cores"
    assert "Conv_9 has 3 input channels" in slower.findings[0].message
    assert "--keep-fp16" in slower.findings[0].hint


def test_then_for_its_reformats(slower: Diff) -> None:
    assert slower.causes[1].cause is Cause.REFORMAT_ADDED
    assert by_cause(slower) == {
        "left-tensor-cores": (1, 90_112),
        "reformat-added": (11, 217_088),
        "other-tactic": (1, 2_048),  # the global average pooling
        "precision-changed": (22, -223_232),
        "reformat-gone": (1, -7_168),
    }
    added = [change.name for change in slower.layers if change.cause is Cause.REFORMAT_ADDED]
    assert sum(name.startswith("QuantizeLinear_") for name in added) == 9
    first = named(slower, "QuantizeLinear_2")  # the input's: it was a reformat to FP16 before
    assert (first.cause, first.delta_ns, first.matched) == (Cause.PRECISION_CHANGED, -19_456, "order")
    assert named(slower, "MaxPool_12").cause is Cause.PRECISION_CHANGED  # FP16 before, FP32 behind the dp4a stem


def test_every_layer_of_two_exports_is_found(slower: Diff) -> None:
    pairs = {c.base.names[-1]: c.new.names[0] for c in slower.layers if c.base and c.new}
    assert len(pairs) == 24
    # what an engineer reads off the two graphs, block by block
    assert pairs["Conv_27 + Add_28 + Relu_29"].startswith("layer3.0.downsample.0.weight")
    assert pairs["Conv_43 + Add_44 + Relu_45"].startswith("layer4.1.conv2.weight")
    assert pairs["Conv_35 + Relu_36"].startswith("layer4.0.conv1.weight")
    assert pairs["Gemm_48"].startswith("fc.weight")
    assert Counter(change.matched for change in slower.layers) == {"order": 24, "": 12}


@pytest.mark.skipif(not TRTEXEC.exists(), reason="the public profiles are not in this checkout")
def test_the_facts_are_the_profiles(slower: Diff) -> None:
    files = [TRTEXEC / f"resnet18_a100_{which}.graph.json" for which in ("fp16", "qat")]
    found = tcscope.compare(*files, sm=80)
    assert (found.totals, found.causes) == (slower.totals, slower.causes)
    assert [change.delta_ns for change in found.layers] == [change.delta_ns for change in slower.layers]


@pytest.mark.skipif(not SHARED_TRACES.exists(), reason="these traces are not in this checkout")
@pytest.mark.parametrize(
    ("base", "new", "worst", "delta"),
    [
        ("fp16", "fp32", "left-tensor-cores", 1_906_743),
        ("fp32", "fp16", "reformat-added", -1_906_743),
        ("int8_nofp16", "int8", "same-kernel", -2_152),
    ],
)
def test_other_pairs(base: str, new: str, worst: str, delta: int) -> None:
    diff = tcscope.compare(*(SHARED_TRACES / f"h100_trt86_resnet18s_{which}.sqlite" for which in (base, new)))
    adds_up(diff)
    assert diff.causes[0].cause == worst
    assert diff.totals.delta_ns == delta
    assert "not-matched" not in by_cause(diff)


def engine_trace(path: Path, warm_up: bool, gpu: str = "NVIDIA H100") -> Path:
    """Two inferences of one layer of 40 ns, in ranges; before them, perhaps, a kernel outside."""
    made = TraceBuilder().gpu(name=gpu).domain("TensorRT")
    if warm_up:
        made.launch("warm", 1000, 1060, call=(10, 20))
    for start in (100, 200):
        made.nvtx("inference", start, start + 50)
        made.nvtx("ExecutionContext::enqueueV3", start + 1, start + 40, registered=True)
        made.nvtx("/a/Conv", start + 2, start + 30, registered=True)
        made.launch("volta_h884cudnn_x_v1", start + 2000, start + 2040, call=(start + 5, start + 9))
    return made.write(path)


def test_what_runs_outside_inferences_is_left_out(tmp_path: Path) -> None:
    cold = engine_trace(tmp_path / "cold.sqlite", warm_up=True)
    diff = tcscope.compare(cold, engine_trace(tmp_path / "warm.sqlite", warm_up=False))
    assert (diff.per, diff.by) == ("inference", "layer")
    assert (diff.totals.base.kernel_ns, diff.totals.new.kernel_ns) == (40, 40)
    assert diff.findings == ()


def test_a_saved_report_says_what_ran_outside_inferences(tmp_path: Path) -> None:
    report = tcscope.analyze(engine_trace(tmp_path / "cold.sqlite", warm_up=True), by=["layer"])
    report.save(tmp_path / "cold.json")
    diff = tcscope.compare(tmp_path / "cold.json", engine_trace(tmp_path / "warm.sqlite", warm_up=False))
    adds_up(diff)
    assert [finding.code for finding in diff.findings] == ["outside-inferences"]
    assert diff.findings[0].ns == 60


def test_unequal_sides_are_said(gained: Diff, tmp_path: Path) -> None:
    here, there = engine_trace(tmp_path / "a.sqlite", False), engine_trace(tmp_path / "b.sqlite", False, "NVIDIA A100")
    assert [finding.message for finding in tcscope.compare(here, there).findings] == [
        "different GPUs: NVIDIA H100 before, NVIDIA A100 now"
    ]
    report = tcscope.analyze(here, by=["layer"])
    assert report.iterations is not None
    renamed = replace(report, iterations=replace(report.iterations, name="step", count=4))
    codes = [finding.code for finding in tcscope.compare(report, renamed).findings]
    assert codes == ["other-range", "other-count"]


def test_a_profile_is_no_trace() -> None:
    diff = tcscope.compare(report_of(A100_FP16), FP16)
    assert "other-tool" in {finding.code for finding in diff.findings}


def test_opaque_graphs_are_said() -> None:
    diff = tcscope.compare(GRAPHS, GRAPHS)
    assert [finding.code for finding in diff.findings] == ["whole-traces", "opaque-graphs", "opaque-graphs"]


def test_errors_are_those_of_analyze(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such file"):
        tcscope.compare(FP16, tmp_path / "none.sqlite")
    with pytest.raises(TraceError, match="nope"):
        tcscope.compare(FP16, INT8, range="nope")
