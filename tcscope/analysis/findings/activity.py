"""What sampled Tensor activity says against names, of itself, and of Tensor Cores that idle under a kernel."""

from __future__ import annotations

from collections.abc import Iterator

from tcscope import hardware
from tcscope.analysis.activity.report import leaves_idle
from tcscope.analysis.activity.sampled import CERTAIN, Thresholds, thresholds, unit_of
from tcscope.analysis.findings.evidence import matters, time_of
from tcscope.analysis.findings.remedies import REMEDIES
from tcscope.model import Evidence, Finding, Kernel, Level, Measured, Report, Unit
from tcscope.wording import count, duration

_ZERO = 1.0  # percent: the end of an interval that leaves no room for matrix work
_WINDOWS = 50  # in which a kernel must have run to say that it does nothing there
_OFF, _OFF_SHARE = 1.0, 0.05  # points, and share of the mean, by which the parts may miss the whole
_POOR = 0.8  # R2 below which the parts explain too little
_IDLE = 5.0  # percent of Tensor Active where the trace shows nothing that runs
_NAMED = 3  # kernels named in a message
_NARROW = 48  # characters of a name in a message
_MEMORY = 60.0  # percent of the memory's bandwidth from which it is what limits a kernel


def find(report: Report) -> Iterator[Finding]:
    """The findings on what was measured; none without GPU metrics."""
    if report.measurement is None or report.tensor_share.low is None:
        return
    yield from _lies(report)
    yield from _sanity(report)
    yield from _idle(report)


def _lies(report: Report) -> Iterator[Finding]:
    """Rules whose claims the samples contradict."""
    for kernel in report.kernels:
        measured = kernel.measured
        if measured is None or not measured.identifiable or measured.tensor_active is None:
            continue
        active = measured.tensor_active
        claim = f"{kernel.rule or 'its evidence'} says {kernel.unit} ({kernel.evidence})"
        said = f"{_short(kernel)}: {claim}, but Tensor Active"
        figure = f"{active.value} % ({active.low} to {active.high}, {count(measured.windows, 'window')})"
        if kernel.unit is Unit.TENSOR_CORE and active.high < _ZERO and measured.windows >= _WINDOWS:
            yield _lie("claims-tensor-measures-none", f"{said} is {figure}", kernel)
        elif kernel.unit is Unit.CUDA_CORE and kernel.evidence is not Evidence.SAMPLED:
            known = _others(report, kernel)
            if unit_of(measured, known, kernel.op, _cycles(report, kernel)) is Unit.TENSOR_CORE:
                reach = f"other kernels without matrix instructions reach at most {known.reached} %"
                yield _lie("claims-cuda-measures-tensor", f"{said} is {figure}; {reach}", kernel)


def _lie(code: str, message: str, kernel: Kernel) -> Finding:
    return Finding(code, Level.WARNING, kernel.ns, message, REMEDIES[code], kernels=(kernel.name,))


def _others(report: Report, kernel: Kernel) -> Thresholds:
    """What the certain kernels show, but this one."""
    others = [k for k in report.kernels if k is not kernel and k.unit is not Unit.UNKNOWN and k.evidence in CERTAIN]
    return thresholds((k.unit, k.measured) for k in others if k.measured is not None)


def _cycles(report: Report, kernel: Kernel) -> float:
    on = {place.device for place in kernel.places}
    return max((hardware.packed_cycles(d.sm) for d in report.trace.devices if d.index in on), default=0.0)


def _sanity(report: Report) -> Iterator[Finding]:
    """Whether the kernels' activities add up to what was sampled."""
    whole = report.measurement
    if whole is None:
        return
    off = abs(whole.mean_explained - whole.mean_sampled)
    if off > max(_OFF, _OFF_SHARE * whole.mean_sampled) or whole.r2 < _POOR:
        fit = (
            f"the kernels' Tensor Active adds up to {whole.mean_explained} % where {whole.mean_sampled} % were sampled"
        )
        said = f"{fit} (R2 {whole.r2:.3f}): take what was measured with care"
        yield Finding("samples-unexplained", Level.WARNING, 0, said, REMEDIES["samples-unexplained"])
    if whole.mean_idle > _IDLE:
        said = (
            f"Tensor Active is {whole.mean_idle} % where the trace shows nothing that runs: another program was there"
        )
        yield Finding("tensor-active-while-idle", Level.WARNING, 0, said, REMEDIES["tensor-active-while-idle"])


def _idle(report: Report) -> Iterator[Finding]:
    """Kernels on Tensor Cores that leave them idle: time lost = (1 - activity) x time."""
    lost: list[tuple[float, Kernel, Measured]] = []
    for kernel in report.kernels:
        if leaves_idle(kernel) and kernel.measured is not None and kernel.measured.tensor_active is not None:
            lost.append(((1 - kernel.measured.tensor_active.value / 100) * kernel.ns, kernel, kernel.measured))
    lost.sort(key=lambda entry: -entry[0])
    ns = round(sum(entry[0] for entry in lost))
    if not matters(ns, report):
        return
    parts = [
        f"{_short(kernel)} {measured.tensor_active.value if measured.tensor_active else 0:.0f} % busy,"
        f" {duration(idle)} lost: {_reason(measured)[1]}"
        for idle, kernel, measured in lost[:_NAMED]
    ]
    said = f"{count(len(lost), 'kernel')} on Tensor Cores leave them idle most of the time, {time_of(ns, report)}"
    hint = REMEDIES[_reason(lost[0][2])[0]]
    names = tuple(kernel.name for _, kernel, _ in lost)
    yield Finding("tensor-cores-idle", Level.NOTE, ns, f"{said}; most: {'; '.join(parts)}", hint, kernels=names)


def _reason(measured: Measured) -> tuple[str, str]:
    """The likely reason: the code of its remedy, and in words."""
    moved = sum(e.value for e in (measured.dram_read, measured.dram_write) if e is not None)
    if moved >= _MEMORY:
        return "tensor-cores-idle/memory", f"DRAM {moved:.0f} %"
    shape = measured.shape
    if shape is None or shape.waves is None:
        return "tensor-cores-idle/other", "its launch shape is unknown"
    grid = "x".join(map(str, shape.grid))
    blocks = f"grid {grid}, {shape.waves:g} waves"
    if shape.waves < 1:
        return "tensor-cores-idle/grid", f"{blocks}, too few blocks for all SMs"
    if shape.waves < 3 and 0 < shape.waves % 1 <= 0.5:
        return "tensor-cores-idle/tail", f"{blocks}, a tail of few blocks"
    return "tensor-cores-idle/other", blocks


def _short(kernel: Kernel) -> str:
    name = kernel.name
    return name if len(name) <= _NARROW else f"{name[: _NARROW - 20]}...{name[-17:]}"
