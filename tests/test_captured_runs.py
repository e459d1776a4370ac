"""What `profile` and `compare-precisions` themselves recorded on an H100, and what they said of it there."""

from __future__ import annotations

from pathlib import Path

import pytest

import tcscope
from tcscope.cli import main
from tests.support.places import FIXTURES

FP32 = FIXTURES / "h100_trt86_resnet18s_onnx_fp32.sqlite"  # built from an ONNX: compare-precisions --precision fp32,...
FP16 = FIXTURES / "h100_trt86_resnet18s_fp16.sqlite"
TORCH = FIXTURES / "h100_torch_cudagraph.sqlite"


@pytest.mark.parametrize(("trace", "launches", "ns"), [(FP32, 720, 43_071_796), (TORCH, 217, 2_114_687)])
def test_totals_are_those_of_nsys_stats_on_the_machine_of_the_recording(trace: Path, launches: int, ns: int) -> None:
    totals = tcscope.analyze(trace).totals
    assert (totals.launches, totals.kernel_ns) == (launches, ns)


def test_fp32_without_tf32_runs_nothing_on_tensor_cores() -> None:
    share = tcscope.analyze(FP32).tensor_share
    assert (share.low, share.high) == (0.0, 0.0)


def test_replays_of_a_recorded_graph_show_their_kernels() -> None:
    report = tcscope.analyze(TORCH, range="inference")
    assert report.totals.graph_launches == 0
    assert report.totals.launches == 10 * 16


def test_the_gate_names_the_convolutions_that_left_the_tensor_cores(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    baseline = tmp_path / "baseline.json"
    tcscope.analyze(FP16, range="inference", level=tcscope.model.RangeLevel()).save(baseline)
    gate = ["check", "--baseline", str(baseline), "--range", "inference", "--fail-on", "tensor_share < baseline - 2pp"]
    assert main([*gate, str(FP16)]) == 0
    capsys.readouterr()
    assert main([*gate, str(FP32)]) == 1
    said = capsys.readouterr().out
    assert "left-tensor-cores" in said
    assert "ffma" in said
    assert "/conv1/Conv" in said
