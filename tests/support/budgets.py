"""Two small reports made by hand, a baseline and what came of it, with every metric of theirs worked out on paper."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from tcscope.analysis.budget.budget import Entry, read_entry
from tcscope.model import (
    Device,
    Instance,
    Iterations,
    Kernel,
    Layer,
    Layering,
    LayerKernel,
    Op,
    Precision,
    Reason,
    Reformat,
    Report,
    Selection,
    TensorShare,
    Unit,
)
from tcscope.model.check import Clause
from tests.support.reports import H100, kernel, report

HMMA, FFMA, COPY, ODD = "conv_h884_kernel", "gemm_ffma_kernel", "copyPackedKernel", "mystery"
CONV, GEMM, REFORMAT = "/conv1/Conv + /relu/Relu", "/fc/Gemm", "Reformatting CopyNode for Input Tensor 0 to /fc/Gemm"


def entry(text: str, clause: Clause = Clause.FAIL_ON, line: int | None = 4) -> Entry:
    """A condition as it stands in a budget."""
    made, wrong = read_entry(text, clause, "tcscope.yaml" if line else "--fail-on", line, 5 if line else None)
    assert made is not None, wrong
    return made


def instances(times: Sequence[int], name: str = "inference") -> Iterations:
    """A range with an instance for each kernel time."""
    each = tuple(Instance(at * 10**6, 2 * ns, 5, ns, ns, 0) for at, ns in enumerate(times))
    return Iterations(name, len(times), 2 * sum(times), sum(times), sum(times), 0, each)


def made(
    conv: tuple[int, Unit, Precision],
    gemm: tuple[int, Unit, Precision],
    copied: int,
    odd: int,
    *,
    launches: int = 5,
    device: Device = H100,
    times: Sequence[int] | None = None,
    hidden: int = 0,
) -> Report:
    """A network of a convolution, a gemm and a reformat, with one kernel outside its layers."""
    rows = [
        kernel(HMMA if conv[1] is Unit.TENSOR_CORE else "conv_ffma_kernel", conv[1], Op.CONV, conv[0]),
        kernel(FFMA if gemm[1] is Unit.CUDA_CORE else "gemm_h884_kernel", gemm[1], Op.GEMM, gemm[0]),
        kernel(COPY, Unit.CUDA_CORE, Op.REFORMAT, copied),
        kernel(ODD, Unit.UNKNOWN, Op.UNKNOWN, odd),
    ]
    rows[0] = replace(rows[0], precision=conv[2], launches=launches - 3, cue="884")
    rows[1] = replace(rows[1], precision=gemm[2])
    parts = {row.name: _part(row) for row in rows}
    names = (CONV, GEMM, REFORMAT)
    layers = tuple(_layer(name, row) for name, row in zip(names, rows, strict=False))
    whole = report(*rows, devices=(device,), graph_launches=int(hidden > 0), graph_ns=hidden)
    total = whole.totals.kernel_ns
    tensor = sum(row.ns for row in rows if row.unit is Unit.TENSOR_CORE)
    matrix = conv[0] + gemm[0]
    return replace(
        whole,
        trace=replace(whole.trace, selection=Selection("inference")),
        tensor_share=TensorShare(tensor / total, (tensor + odd) / total, tensor / matrix, tensor / matrix),
        layers=(layers[0], layers[2], layers[1]),
        layering=Layering("layer", (parts[ODD],), odd),
        reformats=(Reformat(REFORMAT, COPY, Reason.FORMAT, Op.REFORMAT, 1, copied),),
        iterations=instances(times) if times else instances([total // 5] * 5),
    )


def _part(row: Kernel) -> LayerKernel:
    return LayerKernel(row.name, row.unit, row.precision, row.op, row.launches, row.ns)


def _layer(name: str, row: Kernel) -> Layer:
    return Layer(
        name, unit=row.unit, precision=row.precision, op=row.op, launches=row.launches, ns=row.ns, kernels=(_part(row),)
    )


T16, F32 = (Unit.TENSOR_CORE, Precision.FP16), (Unit.CUDA_CORE, Precision.FP32)
BASE = made((600_000, *T16), (200_000, *F32), 100_000, 100_000, hidden=1_000_000)
# the gemm takes twice the time, the convolution left the Tensor Cores for half of its time more
NEW = made((900_000, *F32), (400_000, *F32), 200_000, 500_000, launches=6, hidden=500_000)
