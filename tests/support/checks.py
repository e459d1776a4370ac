"""Checks made by hand: what the outputs are fed where no trace is needed."""

from __future__ import annotations

from dataclasses import replace

from tcscope.model import Cause, Device, Op, Precision, Selection, TensorShare, TraceInfo, Unit
from tcscope.model.check import Amount, Check, Clause, Condition, Counts, Measure, Moved, Outcome, Ran, Scope, Spot

H100 = Device(0, "NVIDIA H100 80GB HBM3", 90, 132, True, "GH100", False)
HOSTILE = "a<b>&|`x`%0A%\nend:,]]>\x1b[31m\x00##[error]::error::\u202e\ufffe🔥"
ENDLESS = "k" * 2000 + "_ffma_" + "z" * 1994  # 4,000 characters
FFMA = "sm80_xmma_fprop_implicit_gemm_f32f32_f32f32_f32_nhwckrsc_nhwc_tilesize128x64x8_stage3_warpsize2x2x1_g1_ffma"
HMMA = "sm90_xmma_fprop_implicit_gemm_f16f16_f16f16_f16_nhwckrsc_nhwc_tilesize128x64x64_g1_tensor16x8x16"


def spot(name: str, ns: int = 1_693_000, scope: Scope = Scope.LAYER) -> Spot:
    return Spot(scope, name, Unit.CUDA_CORE, Precision.FP32, Op.CONV, ns, ns / 20_000_000)


def condition(outcome: Outcome = Outcome.PASSED, **fields: object) -> Condition:
    """A condition on the share, as it stands in line 7 of a budget."""
    made = Condition(
        text="tensor_share < baseline - 2pp",
        clause=Clause.WARN_ON if outcome is Outcome.WARNED else Clause.FAIL_ON,
        source="tcscope.yaml",
        line=7,
        column=5,
        metric="tensor_share",
        measure=Measure.SHARE,
        operator="<",
        limit=Amount(0.8159, "81.6 %"),
        expected=">= 81.6 %",
        found=Amount(0.836, "83.6 %"),
        outcome=outcome,
        message="tensor_share is 83.6 %, as it must be: >= 81.6 %",
        baseline=Amount(0.8359, "83.6 %"),
    )
    return replace(made, **fields)  # type: ignore[arg-type]


def left(name: str, delta_ns: int = 57_310, kernel: str = FFMA, scope: Scope = Scope.LAYER) -> Moved:
    """A layer that left the Tensor Cores."""
    before = Ran(Unit.TENSOR_CORE, Precision.FP16, Op.CONV, HMMA, 31_090)
    now = Ran(Unit.CUDA_CORE, Precision.FP32, Op.CONV, kernel, 31_090 + delta_ns)
    return Moved(scope, name, before, now, delta_ns, Cause.LEFT_TENSOR_CORES)


def check(*conditions: Condition, moved: tuple[Moved, ...] = (), **fields: object) -> Check:
    """A check of these conditions, counted."""
    ended = [c.outcome for c in conditions]
    counts = Counts(
        len(ended), *(ended.count(o) for o in (Outcome.FAILED, Outcome.WARNED, Outcome.WITHIN_NOISE, Outcome.PASSED))
    )
    outcome = Outcome.FAILED if counts.failed else Outcome.WARNED if counts.warned else Outcome.PASSED
    made = Check(
        trace=TraceInfo("resnet18s.sqlite", devices=(H100,), selection=Selection("inference")),
        outcome=outcome,
        summary=f"{counts.failed} of {counts.conditions} conditions failed",
        counts=counts,
        conditions=conditions,
        budget="tcscope.yaml",
        kernel_ns=20_000_000,
        tensor_share=TensorShare(0.11, 0.11, 0.2, 0.2),
        moved=moved,
        per="inference",
    )
    return replace(made, **fields)  # type: ignore[arg-type]


def failed() -> Check:
    """One condition of each outcome, with two layers that left the Tensor Cores and one that is new."""
    text = "tensor_share is 11.0 %, expected >= 81.6 % (the baseline's 83.6 % - 2pp)"
    reformat = Ran(Unit.CUDA_CORE, Precision.UNKNOWN, Op.REFORMAT, "copyPackedKernel", 2_100)
    return check(
        condition(text="unknown_share > 5%", line=5, metric="unknown_share", expected="<= 5.0 %", baseline=None),
        condition(
            Outcome.WARNED,
            text="launches > baseline + 5%",
            line=12,
            measure=Measure.COUNT,
            metric="launches",
            expected="<= 672",
            found=Amount(700, "700"),
            baseline=Amount(640, "640"),
            message="launches is 700, expected <= 672",
        ),
        condition(
            Outcome.WITHIN_NOISE,
            text="kernel_time_per_range > baseline + 1%",
            source="--fail-on",
            line=None,
            column=None,
            measure=Measure.TIME,
            expected="<= 400.3 us",
            found=Amount(401_000, "401.0 us"),
            baseline=Amount(396_367, "396.4 us"),
            noise_ns=12_345,
            message="kernel_time_per_range is 401.0 us, expected <= 400.3 us, but it is within the noise of 12.3 us",
        ),
        condition(
            Outcome.FAILED,
            found=Amount(0.11, "11.0 %"),
            message=text,
            where=(spot("/conv1/Conv"), spot("/layer1/layer1.0/conv1/Conv", 1_693_000 // 2)),
            where_count=14,
            hint="tcscope diff baseline.json resnet18s.sqlite",
        ),
        moved=(
            left("/conv1/Conv"),
            left("/layer1/layer1.0/conv1/Conv", 40_100),
            Moved(Scope.LAYER, "Reformat 12", None, reformat, 2_100, Cause.REFORMAT_ADDED),
        ),
        baseline=TraceInfo("resnet18s_fp16.sqlite", devices=(H100,)),
        baseline_file="baseline.json",
        baseline_kernel_ns=7_927_340,
        baseline_tensor_share=TensorShare(0.8359, 0.8359, 0.93, 0.93),
        notes=("the baseline was recorded with another driver: 550.54 -> 560.28",),
    )


def hostile() -> Check:
    """Names that try to steer every output."""
    return check(
        condition(
            Outcome.FAILED,
            text=f'kernel["{HOSTILE}"].share > 1%',
            source=f"dir,{HOSTILE}/budget.yaml",
            expected="<= 1.0 % %0A",
            message=f"kernel {HOSTILE} takes 12.1 %, expected <= 1.0 %",
            where=(spot(HOSTILE, scope=Scope.KERNEL), spot(ENDLESS, scope=Scope.KERNEL)),
            where_count=2,
            hint=f"tcscope explain '{HOSTILE}'",
        ),
        condition(
            Outcome.WARNED, text=f'layer["{HOSTILE}"].unit != tensor_core', message=HOSTILE, found=Amount(None, HOSTILE)
        ),
        moved=(left(HOSTILE, kernel=ENDLESS), left(ENDLESS, kernel=HOSTILE, scope=Scope.KERNEL)),
        trace=TraceInfo(HOSTILE, devices=(replace(H100, name=HOSTILE),)),
        budget=HOSTILE,
        baseline_file=HOSTILE,
        summary=f"1 of 2 conditions failed, {HOSTILE}",
        notes=(f"::error::{HOSTILE}", "##[error]not a command"),
    )
