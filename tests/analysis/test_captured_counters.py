"""Captures of this project's own `profile --gpu-metrics --counters`: what was sampled beside what was counted."""

from __future__ import annotations

import pytest

import tcscope
from tcscope.analysis.verify import verify
from tcscope.model import Evidence, Kernel, Report, Unit
from tcscope.model.verification import Score
from tests.support.places import FIXTURES

PIPE = "sm__pipe_tensor_cycles_active.avg.pct_of_peak_sustained_elapsed"
COUNTED = {"tri_gelu": 83.3, "tri_mm": 60.5, "nvjet_sm90_hsh_256x128_64x4_1x2_h_bz_coopA_NNT": 70.5}  # by ncu, in %


@pytest.fixture(scope="module")
def triton() -> Report:
    return tcscope.analyze(FIXTURES / "h100_triton_metrics.sqlite")


def kernel(report: Report, name: str) -> Kernel:
    return next(k for k in report.kernels if k.name == name)


def test_packed_fp16_arithmetic_that_keeps_the_tensor_pipe_busy_is_not_taken_for_matrix_work(triton: Report) -> None:
    gelu = kernel(triton, "tri_gelu")
    assert gelu.measured is not None
    assert gelu.measured.identifiable
    assert gelu.measured.tensor_active is not None
    assert gelu.measured.tensor_active.low > 80  # HFMA2 runs in that pipe on Hopper
    assert (gelu.unit, gelu.evidence) == (Unit.UNKNOWN, Evidence.NONE)
    found = verify(triton, FIXTURES / "h100_triton_metrics.ncu.csv")
    truth = next(checked.truth for checked in found.kernels if checked.name == "tri_gelu")
    assert truth.unit is Unit.CUDA_CORE


@pytest.mark.parametrize("name", COUNTED)
def test_what_is_sampled_is_near_what_is_counted(triton: Report, name: str) -> None:
    measured = kernel(triton, name).measured
    assert measured is not None
    assert measured.tensor_active is not None
    # ncu replays a kernel alone, with cold caches and other clocks: some points apart is what the two can agree to
    assert abs(measured.tensor_active.value - COUNTED[name]) < 8


def test_kernels_without_matrix_instructions_measure_next_to_nothing(triton: Report) -> None:
    quiet = [
        k.measured.tensor_active.low
        for k in triton.kernels
        if k.unit is Unit.CUDA_CORE and k.measured is not None and k.measured.tensor_active is not None
    ]
    assert len(quiet) >= 5
    assert max(quiet) < 2


def test_the_fit_explains_the_samples(triton: Report) -> None:
    assert triton.measurement is not None
    assert triton.measurement.r2 > 0.96


@pytest.mark.parametrize(
    ("trace", "counters", "right", "unknown"),
    [
        ("h100_triton_metrics.sqlite", "h100_triton_metrics.ncu.csv", 9, 1),
        ("h100_trt86_resnet18s_int8.sqlite", "h100_trt86_resnet18s_int8.ncu.csv", 15, 0),
        ("h100_trt86_resnet18s_int8_metrics.sqlite", "h100_trt86_resnet18s_int8.ncu.csv", 15, 0),
    ],
)
def test_tables_as_ncu_writes_them_find_every_kernel(trace: str, counters: str, right: int, unknown: int) -> None:
    # its long form simplifies names: fewer namespaces, no casts
    found = verify(tcscope.analyze(FIXTURES / trace), FIXTURES / counters)
    scores = {total.outcome: total.kernels for total in found.sums}
    assert scores == {Score.RIGHT: right, Score.WRONG: 0, Score.UNKNOWN: unknown, Score.UNCOUNTED: 0}
