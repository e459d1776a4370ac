"""INT8 layers that gain nothing from INT8: the stem on dp4a, depthwise and transposed convolutions."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator

from tcscope.analysis.findings.evidence import matters, names, network_layers, time_of
from tcscope.analysis.findings.remedies import REMEDIES
from tcscope.model import Finding, Kernel, Layer, LayerKernel, Level, Op, Precision, Report, Unit
from tcscope.wording import count, plain

# INT8 Tensor Core kernels of convolutions read 16 or 32 channels at a time; what has no more than these four fits
# `int8x4`, the layout of dp4a.
FEW_CHANNELS = 4
_DECONV = re.compile(r"deconv|conv_?transpose", re.IGNORECASE)
_FEW_WIDE = "CHW4"


def find(report: Report) -> Iterator[Finding]:
    """The findings on INT8 layers; without layers only what a kernel's op tells."""
    if report.tensor_share.low is None:
        return
    for stem in dp4a_stems(report):
        if matters(stem.ns, report):
            name = plain(stem.name)
            said = f"the INT8 stem '{name}' ran on CUDA cores (dp4a){_why(stem)}: {time_of(stem.ns, report)}"
            known = "int8-dp4a-stem" if _reads_few(stem) else "int8-dp4a-stem/guess"
            hint = REMEDIES[known].format(file=report.trace.file)
            yield Finding("int8-dp4a-stem", Level.WARNING, stem.ns, said, hint, (stem.name,), _kernels(stem))
    for code, kind, layers in (
        ("depthwise-int8", "depthwise convolution", depthwise(report)),
        ("deconv-int8", "transposed convolution", deconvolutions(report)),
    ):
        ns = sum(layer.ns for layer in layers)
        if matters(ns, report):
            said = f"{count(len(layers), f'INT8 {kind}')} on CUDA cores: {time_of(ns, report)}"
            hint = REMEDIES[code].format(file=report.trace.file)
            kernels = tuple(dict.fromkeys(name for layer in layers for name in _kernels(layer)))
            named = names(layer for layer in layers if layer.kernels)
            yield Finding(code, Level.WARNING, ns, said, hint, named, kernels)


def explained_ns(report: Report) -> dict[str, int]:
    """The time of each kernel in layers whose matrix work on CUDA cores these findings explain."""
    sums: dict[str, int] = defaultdict(int)
    for layer in (*dp4a_stems(report), *deconvolutions(report)):
        for kernel in layer.kernels:
            sums[kernel.name] += kernel.ns
    return sums


def on_cuda_cores(layer: Layer) -> bool:
    """Whether a layer multiplied INT8 as matrix work on CUDA cores."""
    return layer.op.is_matrix and layer.unit is Unit.CUDA_CORE and layer.precision is Precision.INT8


def dp4a_stems(report: Report) -> tuple[Layer, ...]:
    """INT8 layers on CUDA cores that read at most four channels or, where that isn't known, come first of all."""
    matrix = [layer for layer in network_layers(report) if layer.op.is_matrix]
    return tuple(
        layer
        for layer in matrix
        if on_cuda_cores(layer) and not is_deconvolution(layer) and (_reads_few(layer) or layer is matrix[0])
    )


def depthwise(report: Report) -> tuple[Layer, ...]:
    """INT8 depthwise convolutions, which never use Tensor Cores; without layers a nameless one for each kernel."""
    if network_layers(report):
        return tuple(x for x in network_layers(report) if x.op is Op.DEPTHWISE_CONV and x.precision is Precision.INT8)
    found = [k for k in report.kernels if k.op is Op.DEPTHWISE_CONV and k.precision is Precision.INT8]
    return tuple(Layer(kernel.name, launches=kernel.launches, ns=kernel.ns) for kernel in found)


def deconvolutions(report: Report) -> tuple[Layer, ...]:
    """INT8 transposed convolutions on CUDA cores."""
    return tuple(layer for layer in network_layers(report) if on_cuda_cores(layer) and is_deconvolution(layer))


def is_deconvolution(layer: Layer) -> bool:
    """Whether TensorRT or the network calls the layer a transposed convolution."""
    return bool(_DECONV.search(layer.type or layer.name) or _DECONV.search(layer.name))


def channels(layer: Layer) -> int | None:
    """How many channels the layer's first input has, None where that isn't known."""
    dims = layer.inputs[0].dims if layer.inputs else ()
    return dims[1] if len(dims) > 1 and dims[1] > 0 else None


def _reads_few(layer: Layer) -> bool:
    known = channels(layer)
    if known is not None:
        return known <= FEW_CHANNELS
    return bool(layer.inputs) and layer.inputs[0].layout == _FEW_WIDE


def _why(stem: Layer) -> str:
    known = channels(stem)
    return f", for its input has {known} channels" if known is not None and known <= FEW_CHANNELS else ""


def _kernels(layer: Layer) -> tuple[str, ...]:
    found: tuple[Kernel | LayerKernel, ...] = layer.kernels
    return tuple(kernel.name for kernel in found) or (layer.name,)
