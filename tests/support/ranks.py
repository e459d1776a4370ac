"""Ranks of one job: small traces that differ in what is asked for, and a stand-in for nsys that kills its reader."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from tests.support.traces import TraceBuilder

GEMM = "sm80_xmma_gemm_f16f16_f16f32_f32_tn_n_tilesize128x64x32_stage3_warpsize2x2x1_tensor16x8x16_kernel_trt"
FFMA = "sm80_xmma_gemm_f32f32_f32f32_f32_tn_n_tilesize128x64x8_stage3_warpsize2x2x1_ffma_kernel_trt"
RELU = "void relu_kernel<float>(float*)"
# Its tensors are FP16 on any GPU; on which unit it runs there the architecture decides.
H884 = "volta_h884cudnn_256x64_ldg8_relu_exp_small_nhwc_tn_v1"

KILLER = "#!/bin/sh\nkill -9 $PPID\n"


def rank(path: Path, kernels: Mapping[str, int], *, capability: str | None = "9.0", name: str = "NVIDIA H100") -> Path:
    """A trace in which each kernel runs twice, for so many ns in all, inside a range `step`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    made = TraceBuilder().gpu(name=name, capability=capability)
    at = 1_000
    begin = at
    for kernel, ns in kernels.items():
        for part in (ns // 2, ns - ns // 2):
            made.launch(kernel, at + 500, at + 500 + part, call=(at, at + 100))
            at += part + 1_000
    return made.nvtx("step", begin - 100, at + 100).write(path)


def killing_nsys(path: Path) -> Path:
    """An nsys that ends the process that runs it, as the kernel does where memory runs out."""
    path.write_text(KILLER)
    path.chmod(0o755)
    return path
