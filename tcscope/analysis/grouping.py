"""Kernels grouped by whatever the reader asks for (`--by unit,device`)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace

from tcscope.errors import UsageError, did_you_mean
from tcscope.model import Group, Kernel, Place, Report

DEFAULT_BY = ("unit", "precision", "accumulate")

DIMENSIONS: dict[str, Callable[[Report, Kernel, Place], str]] = {
    "unit": lambda report, kernel, place: str(kernel.unit),
    "precision": lambda report, kernel, place: str(kernel.precision),
    "accumulate": lambda report, kernel, place: str(kernel.accumulate or "-"),
    "op": lambda report, kernel, place: str(kernel.op),
    "evidence": lambda report, kernel, place: str(kernel.evidence),
    "rule": lambda report, kernel, place: kernel.rule or "-",
    "kernel": lambda report, kernel, place: kernel.name,
    "device": lambda report, kernel, place: _device_label(report, place.device),
    "process": lambda report, kernel, place: str(place.process),
}


def group(report: Report, by: Sequence[str]) -> Report:
    """The report with its kernels grouped by these dimensions, longest time first. Raises UsageError."""
    for name in by:
        if name not in DIMENSIONS:
            raise UsageError(
                f"--by can't group by '{name}'{did_you_mean(name, DIMENSIONS)}", f"it knows {', '.join(DIMENSIONS)}"
            )
    sums: dict[tuple[str, ...], list[int]] = defaultdict(lambda: [0, 0])
    for kernel in report.kernels:
        for place in kernel.places:
            entry = sums[tuple(DIMENSIONS[name](report, kernel, place) for name in by)]
            entry[0] += place.launches
            entry[1] += place.ns
    whole = report.totals.kernel_ns
    groups = [Group(keys, launches, ns, ns / whole if whole else 0.0) for keys, (launches, ns) in sums.items()]
    return replace(report, by=tuple(by), groups=tuple(sorted(groups, key=lambda g: (-g.ns, g.keys))))


def _device_label(report: Report, index: int) -> str:
    name = next((device.name for device in report.trace.devices if device.index == index), "")
    return f"{index} {name}".strip()
