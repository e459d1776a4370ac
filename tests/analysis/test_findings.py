"""Every finding: when it is made, and what it says."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tcscope import analyze
from tcscope.analysis.findings import find
from tcscope.analysis.missing import inventory
from tcscope.model import Finding, Level, Op, Precision, Report, TensorShare, Unit
from tcscope.sources import NsysTrace
from tests.support.places import INT8
from tests.support.reports import GTX, H100, NAMELESS, kernel, report
from tests.support.traces import TraceBuilder

TENSOR = kernel("t", Unit.TENSOR_CORE, Op.GEMM, 600_000)
SHARES = TensorShare(0.6, 0.6, 0.6, 0.6)
V100 = replace(H100, name="Tesla V100", sm=70, chip="GV100")  # its Tensor Cores multiply FP16 alone


def only(made: Report) -> Finding:
    (finding,) = find(made)
    assert finding.layers == ()
    return finding


def test_nothing_to_say() -> None:
    pointwise = kernel("p", Unit.CUDA_CORE, Op.ELEMENTWISE, 400_000)
    assert find(replace(report(TENSOR, pointwise), tensor_share=SHARES)) == ()


def test_no_tensor_cores() -> None:
    finding = only(report(kernel("c", Unit.CUDA_CORE, Op.GEMM, 5), devices=(GTX,)))
    assert (finding.code, finding.level, finding.ns) == ("no-tensor-cores", Level.NOTE, 0)
    assert finding.message == (
        "NVIDIA GeForce GTX 1650 (sm_75) has no Tensor Cores: everything on it runs on CUDA cores"
    )
    unnamed = replace(GTX, name="", sm=53)
    assert only(report(devices=(unnamed,))).message.startswith("device 1 (sm_53) has no Tensor Cores")


def test_unknown_architecture() -> None:
    here, there = kernel("t", Unit.TENSOR_CORE, Op.GEMM, 5, device=2), kernel("t", Unit.TENSOR_CORE, Op.GEMM, 90)
    finding = only(report(here, there, devices=(H100, NAMELESS)))
    assert (finding.code, finding.level, finding.ns) == ("unknown-architecture", Level.WARNING, 5)
    assert finding.message == ("the trace doesn't say which GPU it ran on: names are judged without its architecture")
    assert finding.hint.startswith("tcscope analyze t.sqlite --sm 87 ")


def test_opaque_graphs() -> None:
    finding = only(report(TENSOR, graph_launches=3, graph_ns=24_951_000))
    assert (finding.code, finding.level, finding.ns) == ("opaque-graphs", Level.WARNING, 24_951_000)
    assert finding.message == (
        "3 CUDA graph launches of 24.951 ms were traced as a whole: what ran in them is unknown and in no share"
    )
    assert "--cuda-graph-trace=node" in finding.hint


@pytest.mark.parametrize("precision", ["fp64", "fp32", "fp16", "int8", "tf32", "unknown"])
def test_matrix_work_on_cuda_cores(precision: str) -> None:
    astray = [
        kernel("c1", Unit.CUDA_CORE, Op.CONV, 300_000, precision=Precision(precision)),
        kernel("c2", Unit.CUDA_CORE, Op.ATTENTION, 100_000, precision=Precision(precision)),
        kernel(
            "d", Unit.CUDA_CORE, Op.DEPTHWISE_CONV, 0, precision=Precision(precision)
        ),  # Tensor Cores couldn't take it
    ]
    made = report(TENSOR, *astray, devices=(V100,))
    finding = only(replace(made, tensor_share=SHARES))
    assert (finding.code, finding.level, finding.ns) == ("matrix-on-cuda-cores", Level.WARNING, 400_000)
    kind = "" if precision == "unknown" else f" in {precision}"
    assert finding.message == (
        f"matrix work{kind} ran on CUDA cores: 400.0 us, 40.0 % of the kernel time, in 2 kernels"
    )
    assert finding.kernels == ("c1", "c2")
    assert finding.hint
    # on a GPU without Tensor Cores it could run nowhere else
    assert find(made) == ()


def test_matrix_work_is_one_finding_a_precision_longest_first() -> None:
    astray = [
        kernel("a", Unit.CUDA_CORE, Op.CONV, 10, precision=Precision.FP32),
        kernel("b", Unit.CUDA_CORE, Op.CONV, 30, precision=Precision.INT8),
        kernel("c", Unit.CUDA_CORE, Op.CONV, 25, precision=Precision.FP32),
    ]
    found = find(replace(report(*astray, devices=(V100,)), tensor_share=SHARES))
    assert [(f.ns, f.kernels) for f in found] == [(35, ("a", "c")), (30, ("b",))]


def test_unknown_kernels() -> None:
    finding = only(report(TENSOR, kernel("m", Unit.UNKNOWN, Op.UNKNOWN, 200_000)))
    assert (finding.code, finding.level, finding.ns) == ("unknown-kernels", Level.NOTE, 200_000)
    assert finding.message == "1 kernel can't be judged by name: 200.0 us, 25.0 % of the kernel time"
    assert finding.kernels == ("m",)
    assert finding.hint.startswith("tcscope rules coverage t.sqlite")


def test_unplaced_launches() -> None:
    finding = only(report(TENSOR, unplaced_launches=1, unplaced_ns=1500))
    assert (finding.code, finding.level, finding.ns) == ("unplaced-launches", Level.NOTE, 1500)
    assert finding.message == ("1 launch of 1.5 us can be in no range: the trace lacks the calls that launched them")
    assert "--capture-range" in finding.hint


def test_negative_durations() -> None:
    finding = only(report(TENSOR, negative_launches=12))
    assert (finding.code, finding.level, finding.ns) == ("negative-durations", Level.NOTE, 0)
    assert finding.message == "12 launches end before they start; they count as 0 ns"


def test_the_most_serious_come_first_then_the_longest() -> None:
    made = report(
        kernel("m", Unit.UNKNOWN, Op.UNKNOWN, 90, device=2),
        kernel("c", Unit.CUDA_CORE, Op.CONV, 50),
        devices=(H100, NAMELESS),
        graph_launches=1,
        graph_ns=70,
        negative_launches=1,
        unplaced_launches=1,
        unplaced_ns=20,
    )
    assert [(f.code, f.ns) for f in find(replace(made, tensor_share=SHARES))] == [
        ("unknown-architecture", 90),
        ("opaque-graphs", 70),
        ("matrix-on-cuda-cores", 50),
        ("unknown-kernels", 90),
        ("unplaced-launches", 20),
        ("negative-durations", 0),
    ]


def test_a_trace_gets_its_findings(tmp_path: Path) -> None:
    builder = TraceBuilder().launch("nobody_knows_me", 100, 90).launch("k", 200, 260, call=(10, 20)).graph(0, 5)
    path = builder.nvtx("r", 0, 30).write(tmp_path / "t.sqlite")
    assert {f.code for f in analyze(path).findings} == {
        "unknown-architecture",
        "opaque-graphs",
        "unknown-kernels",
        "negative-durations",
    }
    assert {f.code for f in analyze(path, range="r").findings} == {
        "unknown-architecture",
        "unknown-kernels",
        "unplaced-launches",
    }


class TestMissing:
    """What `tcscope info` finds lacking."""

    def lacking(self, builder: TraceBuilder, tmp_path: Path) -> dict[str, Level]:
        trace = NsysTrace(builder.write(tmp_path / "t.sqlite"))
        return {finding.code: finding.level for finding in inventory(trace).missing}

    def test_everything(self, tmp_path: Path) -> None:
        assert self.lacking(TraceBuilder().launch("k", 1, 2).graph(3, 4), tmp_path) == {
            "opaque-graphs": Level.WARNING,
            "unknown-architecture": Level.WARNING,
            "no-launch-calls": Level.NOTE,
            "no-ranges": Level.NOTE,
            "no-gpu-metrics": Level.NOTE,
        }

    def test_nothing(self, tmp_path: Path) -> None:
        builder = TraceBuilder().gpu().launch("k", 1, 2, call=(0, 1)).nvtx("r", 0, 5)
        builder.row("GPU_METRICS", timestamp=1, typeId=1, metricId=1, value=1)
        assert self.lacking(builder, tmp_path) == {}

    def test_a_gpu_of_unknown_architecture(self, tmp_path: Path) -> None:
        builder = TraceBuilder().gpu(0, "Graphics Device", None).launch("k", 1, 2, call=(0, 1)).nvtx("r", 0, 5)
        assert self.lacking(builder, tmp_path) == {
            "unknown-architecture": Level.WARNING,
            "no-gpu-metrics": Level.NOTE,
        }

    def test_kernels(self, tmp_path: Path) -> None:
        assert self.lacking(TraceBuilder().gpu().graph(1, 2), tmp_path) == {"no-kernels": Level.ERROR}

    def test_of_a_real_trace(self) -> None:
        assert [finding.code for finding in inventory(NsysTrace(INT8)).missing] == ["no-gpu-metrics"]
