"""Matrix work that ran on CUDA cores. On a GPU without Tensor Cores it could run nowhere else: nothing to find."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

from tcscope import hardware
from tcscope.analysis.findings.evidence import allows_fp16, layers_with, matters, multiplies, time_of
from tcscope.analysis.findings.int8 import explained_ns
from tcscope.analysis.findings.remedies import INT8_BESIDE_FP16, MATRIX, OTHER_MATRIX, REMEDIES
from tcscope.model import Finding, Kernel, Level, Precision, Report, Unit
from tcscope.wording import count


def find(report: Report) -> Iterator[Finding]:
    """One finding a precision, without what a finding on INT8 layers explains."""
    if report.tensor_share.low is None:
        return
    explained = explained_ns(report)
    by_precision: dict[Precision, list[tuple[Kernel, int]]] = defaultdict(list)
    for kernel in report.kernels:
        ns = kernel.ns - explained.get(kernel.name, 0)
        if kernel.op.is_matrix and kernel.unit is Unit.CUDA_CORE and ns > 0:
            by_precision[kernel.precision].append((kernel, ns))
    for precision, parts in by_precision.items():
        ns = sum(ns for _, ns in parts)
        if matters(ns, report):
            yield _finding(report, precision, [kernel for kernel, _ in parts], ns)


def _finding(report: Report, precision: Precision, kernels: Sequence[Kernel], ns: int) -> Finding:
    names = tuple(kernel.name for kernel in kernels)
    at_stake = f"{time_of(ns, report)}, in {count(len(kernels), 'kernel')}"
    if precision is Precision.FP32 and _has_tf32(report, kernels):
        code, said = "fp32-ffma", f"FP32 matrix work ran as FFMA on CUDA cores, not as TF32 on Tensor Cores: {at_stake}"
        hint = _ffma_remedy(report)
    else:
        kind = "" if precision is Precision.UNKNOWN else f" in {precision}"
        code, said = "matrix-on-cuda-cores", f"matrix work{kind} ran on CUDA cores: {at_stake}"
        hint = MATRIX.get(precision, OTHER_MATRIX)
        if precision is Precision.INT8 and allows_fp16(report):
            hint = INT8_BESIDE_FP16.format(file=report.trace.file)
    return Finding(code, Level.WARNING, ns, said, hint, layers_with(report, names), names)


def _has_tf32(report: Report, kernels: Sequence[Kernel]) -> bool:
    """Whether all GPUs on which these kernels ran have Tensor Cores for TF32 (sm_80 and later)."""
    used = {place.device for kernel in kernels for place in kernel.places}
    devices = [device for device in report.trace.devices if device.index in used or not used]
    gpus = [d.sm and hardware.gpu(d.sm, chip=d.chip, name=d.name) for d in devices]
    return bool(gpus) and all(gpu and Precision.TF32 in gpu.precisions for gpu in gpus)


def _ffma_remedy(report: Report) -> str:
    if multiplies(report, Precision.TF32):
        return REMEDIES["fp32-ffma/tf32"]
    return REMEDIES["fp32-ffma/fp16" if multiplies(report, Precision.FP16) else "fp32-ffma"]
