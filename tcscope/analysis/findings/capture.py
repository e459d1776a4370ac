"""What limits the answer: the GPU, the capture, the names."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from tcscope.analysis.findings.evidence import time_of
from tcscope.analysis.findings.remedies import REMEDIES
from tcscope.model import Device, Finding, Level, Report, Unit
from tcscope.wording import count, duration


def find(report: Report) -> Iterator[Finding]:
    """The findings on the trace itself."""
    yield from _no_tensor_cores(report.trace.devices)
    yield from _unknown_architecture(report)
    yield from _opaque_graphs(report)
    yield from _unknown_kernels(report)
    yield from _unplaced(report)
    yield from _negative(report)


def _no_tensor_cores(devices: Iterable[Device]) -> Iterator[Finding]:
    for device in devices:
        if device.has_tensor_cores is False:
            name = f"{device.name or f'device {device.index}'} (sm_{device.sm})"
            said = f"{name} has no Tensor Cores: everything on it runs on CUDA cores"
            yield Finding("no-tensor-cores", Level.NOTE, 0, said, REMEDIES["no-tensor-cores"])


def _unknown_architecture(report: Report) -> Iterator[Finding]:
    nameless = {device.index for device in report.trace.devices if device.sm is None}
    ns = sum(p.ns for kernel in report.kernels for p in kernel.places if p.device in nameless)
    if nameless:
        said = "the trace doesn't say which GPU it ran on: names are judged without its architecture"
        yield Finding("unknown-architecture", Level.WARNING, ns, said, _typed("unknown-architecture", report))


def _opaque_graphs(report: Report) -> Iterator[Finding]:
    totals = report.totals
    graphs = f"{count(totals.graph_launches, 'CUDA graph launch')} of {duration(totals.graph_ns)}"
    if totals.graph_launches:
        said = f"{graphs} were traced as a whole: what ran in them is unknown and in no share"
        yield Finding("opaque-graphs", Level.WARNING, totals.graph_ns, said, REMEDIES["opaque-graphs"])


def _unknown_kernels(report: Report) -> Iterator[Finding]:
    kernels = [kernel for kernel in report.kernels if kernel.unit is Unit.UNKNOWN]
    if kernels:
        ns = sum(kernel.ns for kernel in kernels)
        said = f"{count(len(kernels), 'kernel')} can't be judged by name: {time_of(ns, report)}"
        names = tuple(kernel.name for kernel in kernels)
        yield Finding("unknown-kernels", Level.NOTE, ns, said, _typed("unknown-kernels", report), kernels=names)


def _unplaced(report: Report) -> Iterator[Finding]:
    totals = report.totals
    lost = f"{count(totals.unplaced_launches, 'launch')} of {duration(totals.unplaced_ns)}"
    if totals.unplaced_launches:
        said = f"{lost} can be in no range: the trace lacks the calls that launched them"
        yield Finding("unplaced-launches", Level.NOTE, totals.unplaced_ns, said, REMEDIES["unplaced-launches"])


def _negative(report: Report) -> Iterator[Finding]:
    if report.totals.negative_launches:
        said = f"{count(report.totals.negative_launches, 'launch')} end before they start; they count as 0 ns"
        yield Finding("negative-durations", Level.NOTE, 0, said)


def _typed(code: str, report: Report) -> str:
    return REMEDIES[code].format(file=report.trace.file)
