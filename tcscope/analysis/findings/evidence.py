"""What several findings ask of a report: is it worth a line, which layers ran a kernel, what has the user done?"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from tcscope.model import Dtype, Layer, Precision, Report
from tcscope.wording import duration, percent

# Below 1 % of the kernel time a remedy can't be told from the noise between two runs of the same engine.
WORTH_A_LINE = 0.01


def matters(ns: int, report: Report, share: float = WORTH_A_LINE) -> bool:
    """Whether this much time is worth the reader's."""
    return ns > 0 and ns >= share * report.totals.kernel_ns


def time_of(ns: int, report: Report) -> str:
    """`873.2 us, 16.1 % of the kernel time`, or `43.7 us an inference, 16.1 % of ...` where all time is inferences'."""
    share = f"{percent(ns / max(report.totals.kernel_ns, 1))} % of the kernel time"
    return f"{per_inference(ns, report)}, {share}"


def per_inference(ns: int, report: Report) -> str:
    """`43.7 us an inference` if every kernel was launched in an instance of one range, else the whole time."""
    iterations = report.iterations
    if iterations is None or not iterations.count or iterations.kernel_ns != report.totals.kernel_ns:
        return duration(ns)
    return f"{duration(ns / iterations.count)} an inference"


def network_layers(report: Report) -> tuple[Layer, ...]:
    """TensorRT's layers; not the ranges of `--by range`, whose names and order mean what their author chose."""
    return () if report.layering is not None and report.layering.level == "range" else report.layers


def layers_with(report: Report, kernels: Collection[str]) -> tuple[str, ...]:
    """The layers that ran any of these kernels, most time first."""
    ran = [layer for layer in report.layers if any(kernel.name in kernels for kernel in layer.kernels)]
    return names(ran)


def names(layers: Iterable[Layer]) -> tuple[str, ...]:
    """The names of these layers, most time first."""
    return tuple(layer.name for layer in sorted(layers, key=lambda layer: -layer.ns))


def multiplies(report: Report, precision: Precision) -> bool:
    """Whether a matrix kernel of the report multiplies this type: then the user has allowed it."""
    return any(kernel.op.is_matrix and kernel.precision is precision for kernel in report.kernels)


def allows_fp16(report: Report) -> bool:
    """Whether FP16 is at work anywhere in the network: in a kernel, a reformat or a tensor."""
    return (
        any(kernel.precision is Precision.FP16 for kernel in report.kernels)
        or any(Dtype.FP16 in (row.src, row.dst) for row in report.reformats)
        or any(tensor.dtype is Dtype.FP16 for layer in report.layers for tensor in (*layer.inputs, *layer.outputs))
    )
