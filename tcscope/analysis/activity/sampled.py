"""Evidence `sampled`: what Tensor activity says of kernels whose names say nothing.

The thresholds are those of the trace's own kernels whose units are certain. `reached` is the most that any of them
without matrix instructions may have; `least` the least that one with matrix instructions must have. An unknown kernel
is tensor_core where its interval lies above `reached`, and cuda_core where it lies below half of `least` while it is
busy with something else; between, it stays unknown. Where packed FP16 arithmetic counts as Tensor Active too, or nobody
knows, a kernel that isn't known to be a matrix kernel must also lie above what its instructions could reach as packed
arithmetic: an instruction holds the pipe for `packed_cycles`, and SM Issue tells how many were issued.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from tcscope import hardware
from tcscope.analysis.activity.measure import Activity, Key
from tcscope.analysis.judge import Judge
from tcscope.model import Device, Estimate, Evidence, Measured, Op, Unit, Verdict

CERTAIN = frozenset({Evidence.COUNTER, Evidence.SASS, Evidence.DOCUMENTED, Evidence.NAMED})
_FEW = 3  # kernels from which a threshold is learnt
_FLOOR = 5.0  # percent: no threshold of what CUDA cores reach is lower
_BUSY = 20.0  # percent of issue slots or of the memory's bandwidth that show a kernel at work elsewhere
_SOURCE = "Tensor Active, un-mixed from the trace's own GPU metrics"


@dataclass(frozen=True, slots=True)
class Thresholds:
    """In percent of Tensor Active; None where too few kernels are certain."""

    reached: float | None
    least: float | None


def thresholds(certain: Iterable[tuple[Unit, Measured]]) -> Thresholds:
    """What identifiable kernels of certain units show."""
    cuda: list[Estimate] = []
    tensor: list[Estimate] = []
    for unit, measured in certain:
        if measured.identifiable and measured.tensor_active is not None:
            (tensor if unit is Unit.TENSOR_CORE else cuda).append(measured.tensor_active)
    reached = max([_FLOOR, *(value.high for value in cuda)]) if len(cuda) >= _FEW else None
    return Thresholds(reached, min(value.low for value in tensor) if len(tensor) >= _FEW else None)


def unit_of(measured: Measured, known: Thresholds, op: Op, packed_cycles: float) -> Unit:
    """The unit that samples show, or unknown."""
    active = measured.tensor_active
    if not measured.identifiable or active is None:
        return Unit.UNKNOWN
    if known.reached is not None and active.low > known.reached:
        if op.is_matrix or packed_cycles == 0:
            return Unit.TENSOR_CORE
        issue = measured.sm_issue
        return Unit.TENSOR_CORE if issue and active.low > packed_cycles * issue.high else Unit.UNKNOWN
    elsewhere = max((e.low for e in (measured.sm_issue, measured.dram_read, measured.dram_write) if e), default=0.0)
    if known.least is not None and active.high < known.least / 2 and elsewhere >= _BUSY:
        return Unit.CUDA_CORE
    return Unit.UNKNOWN


def sampled_verdicts(activity: Activity, judge: Judge, devices: Iterable[Device]) -> Mapping[Key, Verdict]:
    """New verdicts on the kernels that were unknown and that their samples show. GPUs are looked at one by one."""
    found: dict[Key, Verdict] = {}
    for device in devices:
        if device.index not in activity.gpus or device.has_tensor_cores is False:
            continue
        cycles = hardware.packed_cycles(device.sm)
        verdicts = {name: judge.verdict(name, device.index) for name in activity.gpus[device.index].column}
        measured = {name: activity.of({(name, device.index): 1}) for name in verdicts}
        certain = [(v.unit, m) for name, v in verdicts.items() if v.evidence in CERTAIN and (m := measured[name])]
        known = thresholds((unit, m) for unit, m in certain if unit is not Unit.UNKNOWN)
        for name, verdict in verdicts.items():
            shown = measured[name]
            if verdict.unit is not Unit.UNKNOWN or shown is None:
                continue
            unit = unit_of(shown, known, verdict.op, cycles)
            if unit is not Unit.UNKNOWN:
                note = "; ".join(filter(None, (verdict.note, _said(shown, known, unit))))
                found[name, device.index] = replace(
                    verdict, unit=unit, evidence=Evidence.SAMPLED, source=_SOURCE, note=note
                )
    return found


def _said(measured: Measured, known: Thresholds, unit: Unit) -> str:
    active = measured.tensor_active
    assert active is not None  # noqa: S101 - or there were no unit
    figure = f"Tensor Active {active.value} % ({active.low} to {active.high})"
    if unit is Unit.TENSOR_CORE:
        return f"{figure}; kernels without matrix instructions reach at most {known.reached} % in this trace"
    return f"{figure}; kernels with matrix instructions show at least {known.least} % in this trace"
