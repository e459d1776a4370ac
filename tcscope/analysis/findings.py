"""What the reader should know first: each finding with its time and one remedy."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator

from tcscope.model import Device, Finding, Kernel, Level, Precision, Report, Unit
from tcscope.wording import count, duration, percent

# What to do about matrix work on CUDA cores, by the precision in which it ran there.
REMEDIES = {
    Precision.FP32: "let TensorRT choose FP16 (trtexec --fp16) or, from sm_80 on, TF32 (no --noTF32) for these layers",
    Precision.FP16: "HFMA2 kernels: give channels in multiples of 8 and NHWC, and rebuild with more workspace",
    Precision.INT8: "dp4a kernels: allow FP16 beside INT8 (trtexec --int8 --fp16) or pad channels to multiples of 32",
    Precision.FP64: "FP64 on CUDA cores: check that the network is not exported in double precision",
}


def find(report: Report) -> tuple[Finding, ...]:
    """The findings of a report, most serious first, then by time."""
    found = [
        *_no_tensor_cores(report.trace.devices),
        *_unknown_architecture(report),
        *_opaque_graphs(report),
        *_matrix_on_cuda_cores(report),
        *_unknown_kernels(report),
        *_unplaced(report),
        *_negative(report),
    ]
    order = list(Level)
    return tuple(sorted(found, key=lambda finding: (order.index(finding.level), -finding.ns)))


def _no_tensor_cores(devices: Iterable[Device]) -> Iterator[Finding]:
    for device in devices:
        if device.has_tensor_cores is False:
            name = f"{device.name or f'device {device.index}'} (sm_{device.sm})"
            yield Finding(
                "no-tensor-cores",
                Level.NOTE,
                0,
                f"{name} has no Tensor Cores: everything on it runs on CUDA cores",
                "INT8 can't gain there what it gains on Tensor Cores; compare times, not shares",
            )


def _unknown_architecture(report: Report) -> Iterator[Finding]:
    nameless = {device.index for device in report.trace.devices if device.sm is None}
    ns = sum(p.ns for kernel in report.kernels for p in kernel.places if p.device in nameless)
    if nameless:
        yield Finding(
            "unknown-architecture",
            Level.WARNING,
            ns,
            "the trace doesn't say which GPU it ran on: names are judged without its architecture",
            f"tcscope analyze {report.trace.file} --sm 87  # the GPU's compute capability; Jetson Orin is 87",
        )


def _opaque_graphs(report: Report) -> Iterator[Finding]:
    totals = report.totals
    graphs = f"{count(totals.graph_launches, 'CUDA graph launch')} of {duration(totals.graph_ns)}"
    if totals.graph_launches:
        yield Finding(
            "opaque-graphs",
            Level.WARNING,
            totals.graph_ns,
            f"{graphs} were traced as a whole: what ran in them is unknown and in no share",
            "nsys profile -t cuda,nvtx --cuda-graph-trace=node COMMAND",
        )


def _matrix_on_cuda_cores(report: Report) -> Iterator[Finding]:
    """One finding a precision. On a GPU without Tensor Cores there is nothing to find."""
    if report.tensor_share.low is None:
        return
    by_precision: dict[Precision, list[Kernel]] = defaultdict(list)
    for kernel in report.kernels:
        if kernel.op.is_matrix and kernel.unit is Unit.CUDA_CORE:
            by_precision[kernel.precision].append(kernel)
    for precision, kernels in by_precision.items():
        ns = sum(kernel.ns for kernel in kernels)
        kind = "" if precision is Precision.UNKNOWN else f" in {precision}"
        yield Finding(
            "matrix-on-cuda-cores",
            Level.WARNING,
            ns,
            f"matrix work{kind} ran on CUDA cores: {_time(ns, report)} in {count(len(kernels), 'kernel')}",
            REMEDIES.get(precision, "tcscope explain NAME  # says how each is known"),
            kernels=tuple(kernel.name for kernel in kernels),
        )


def _unknown_kernels(report: Report) -> Iterator[Finding]:
    kernels = [kernel for kernel in report.kernels if kernel.unit is Unit.UNKNOWN]
    if kernels:
        ns = sum(kernel.ns for kernel in kernels)
        yield Finding(
            "unknown-kernels",
            Level.NOTE,
            ns,
            f"{count(len(kernels), 'kernel')} can't be judged by name: {_time(ns, report).rstrip(',')}",
            f"tcscope rules coverage {report.trace.file}  # lists them, ready for a rule of your own",
            kernels=tuple(kernel.name for kernel in kernels),
        )


def _unplaced(report: Report) -> Iterator[Finding]:
    totals = report.totals
    lost = f"{count(totals.unplaced_launches, 'launch')} of {duration(totals.unplaced_ns)}"
    if totals.unplaced_launches:
        yield Finding(
            "unplaced-launches",
            Level.NOTE,
            totals.unplaced_ns,
            f"{lost} can be in no range: the trace lacks the calls that launched them",
            "begin the capture before the range: nsys profile without --capture-range",
        )


def _negative(report: Report) -> Iterator[Finding]:
    if report.totals.negative_launches:
        yield Finding(
            "negative-durations",
            Level.NOTE,
            0,
            f"{count(report.totals.negative_launches, 'launch')} end before they start; they count as 0 ns",
        )


def _time(ns: int, report: Report) -> str:
    return f"{duration(ns)}, {percent(ns / max(report.totals.kernel_ns, 1))} % of the kernel time,"
