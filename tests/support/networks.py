"""Networks made by hand: layers with kernels and tensors, and the report around them."""

from __future__ import annotations

from dataclasses import replace

from tcscope.analysis.layers import judged
from tcscope.analysis.ledger.entries import ledger
from tcscope.model import (
    Device,
    Dtype,
    Kernel,
    Layer,
    Layering,
    LayerKernel,
    Op,
    Precision,
    Report,
    Tensor,
    TensorShare,
    Unit,
)
from tests.support.reports import H100, kernel, report


def ran(name: str, unit: Unit, precision: Precision, op: Op, ns: int) -> LayerKernel:
    """A kernel that ran once for a layer."""
    return LayerKernel(name, unit, precision, op, 1, ns)


def layer(
    name: str, *kernels: LayerKernel, reads: str = "", writes: str = "", kind: str = "", origin: str = ""
) -> Layer:
    """A layer; tensors are written `name:type:layout:NxCxHxW`, each part but the name may be left out."""
    return judged(Layer(name, kind, kernels=kernels, inputs=tensors(reads), outputs=tensors(writes), origin=origin))


def tensors(spec: str) -> tuple[Tensor, ...]:
    """`a:int8:CHW32 b:fp16::1x64x7x7` as tensors."""
    found = []
    for part in spec.split():
        name, dtype, layout, dims = (part.split(":") + [""] * 3)[:4]
        numbers = tuple(int(number) for number in dims.split("x") if number)
        found.append(Tensor(name, Dtype(dtype) if dtype else None, layout, numbers))
    return tuple(found)


def network(*layers: Layer, src: Dtype | None = None, dst: Dtype | None = None, gpu: Device = H100) -> Report:
    """The report of these layers with its ledger; `src` and `dst` are those of a kernel named `copy`."""
    sums: dict[str, Kernel] = {}
    for part in (part for layer in layers for part in layer.kernels):
        new = kernel(part.name, part.unit, part.op, part.ns, precision=part.precision, launches=part.launches)
        old = sums.get(part.name)
        sums[part.name] = replace(new, ns=new.ns + old.ns, launches=new.launches + old.launches) if old else new
    kernels = [replace(k, src=src, dst=dst) if k.name == "copy" else k for k in sums.values()]
    made = replace(report(*kernels, devices=(gpu,)), layers=layers, layering=Layering("layer"))
    return replace(made, reformats=ledger(made), tensor_share=TensorShare(0.5, 0.5, 0.5, 0.5))
