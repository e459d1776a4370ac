"""Channels that don't fill the vectors that Tensor Cores read. Needs the dimensions of TensorRT's layer JSON."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from tcscope.analysis.findings.evidence import matters, names, network_layers, time_of
from tcscope.analysis.findings.int8 import FEW_CHANNELS, channels
from tcscope.analysis.findings.remedies import REMEDIES
from tcscope.model import Finding, Layer, Level, Op, Precision, Report
from tcscope.wording import count

# 16 bytes of each type: NVIDIA's guide to matrix multiplication wants dimensions in multiples of these. INT8 layouts of
# TensorRT hold 32 channels (CHW32), whatever the network has.
STEPS = {
    Precision.TF32: 4,
    Precision.FP16: 8,
    Precision.BF16: 8,
    Precision.FP8: 16,
    Precision.INT8: 32,
}
# Padding costs time too, and a classifier's last layer has the channels that its classes need: much must be at stake.
SHARE = 0.05


def find(report: Report) -> Iterator[Finding]:
    """One finding a precision: the layers of which inputs or outputs have odd numbers of channels."""
    if report.tensor_share.low is None:
        return
    by_precision: dict[Precision, list[Layer]] = defaultdict(list)
    for layer in network_layers(report):
        if layer.op in (Op.CONV, Op.GEMM) and _is_odd(layer):
            by_precision[layer.precision].append(layer)
    for precision, layers in by_precision.items():
        ns = sum(layer.ns for layer in layers)
        if matters(ns, report, SHARE):
            step = STEPS[precision]
            said = f"{count(len(layers), 'layer')} in {precision} with channels in no multiple of {step}"
            hint = REMEDIES["channels-unaligned"].format(step=step)
            yield Finding("channels-unaligned", Level.NOTE, ns, f"{said}: {time_of(ns, report)}", hint, names(layers))


def _is_odd(layer: Layer) -> bool:
    """Whether a layer's channels fit no vector. A stem that reads an image is left out: it has kernels of its own."""
    step, read = STEPS.get(layer.precision), channels(layer)
    if step is None or read is None or read <= FEW_CHANNELS:
        return False
    written = layer.outputs[0].dims[1] if layer.outputs and len(layer.outputs[0].dims) > 1 else 0
    return bool(read % step or max(written, 0) % step)
