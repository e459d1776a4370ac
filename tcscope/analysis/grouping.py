"""Kernel time grouped by whatever the reader asks for (`--by unit,device`, `--by layer`)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from tcscope.errors import UsageError, did_you_mean
from tcscope.model import Group, Kernel, LayerKernel, Place, Report

DEFAULT_BY = ("unit", "precision", "accumulate")
LAYER_DIMENSIONS = ("layer", "range")
OUTSIDE = "(in none)"

_KERNEL: dict[str, Callable[[Report, Kernel, Place], str]] = {
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
_LAYER: dict[str, Callable[[str, LayerKernel], str]] = {
    "layer": lambda layer, kernel: layer,
    "range": lambda layer, kernel: layer,
    "unit": lambda layer, kernel: str(kernel.unit),
    "precision": lambda layer, kernel: str(kernel.precision),
    "op": lambda layer, kernel: str(kernel.op),
    "kernel": lambda layer, kernel: kernel.name,
}
DIMENSIONS = tuple(dict.fromkeys([*_KERNEL, *LAYER_DIMENSIONS]))

Cell = tuple[tuple[str, ...], int, int]  # the values of the dimensions, launches, ns


def checked(by: Sequence[str]) -> tuple[str, ...]:
    """These dimensions, if they go together. Raises UsageError."""
    for name in by:
        if name not in DIMENSIONS:
            raise UsageError(
                f"--by can't group by '{name}'{did_you_mean(name, DIMENSIONS)}", f"it knows {', '.join(DIMENSIONS)}"
            )
    layered = [name for name in by if name in LAYER_DIMENSIONS]
    alien = [name for name in by if name not in _LAYER]
    if layered and alien:
        raise UsageError(f"--by {layered[0]} goes with {', '.join(list(_LAYER)[2:])}, not with {alien[0]}")
    if len(layered) > 1:
        raise UsageError("--by takes layer or range, not both")
    return tuple(by)


def group(report: Report, by: Sequence[str]) -> Report:
    """The report with its kernel time grouped by these dimensions, longest first. Raises UsageError."""
    by = checked(by)
    layered = next((name for name in by if name in LAYER_DIMENSIONS), None)
    if layered and (report.layering is None or (report.layering.level == "range") != (layered == "range")):
        raise UsageError(f"this report was made without {layered}s", f"tcscope analyze TRACE --by {layered}")
    sums: dict[tuple[str, ...], list[int]] = defaultdict(lambda: [0, 0])
    for keys, launches, ns in _layer_cells(report, by) if layered else _kernel_cells(report, by):
        entry = sums[keys]
        entry[0] += launches
        entry[1] += ns
    whole = report.totals.kernel_ns
    groups = [Group(keys, launches, ns, ns / whole if whole else 0.0) for keys, (launches, ns) in sums.items()]
    return replace(report, by=by, groups=tuple(sorted(groups, key=lambda g: (-g.ns, g.keys))))


def _kernel_cells(report: Report, by: Sequence[str]) -> Iterator[Cell]:
    for kernel in report.kernels:
        for place in kernel.places:
            yield tuple(_KERNEL[name](report, kernel, place) for name in by), place.launches, place.ns


def _layer_cells(report: Report, by: Sequence[str]) -> Iterator[Cell]:
    outside = report.layering.outside if report.layering else ()
    for label, kernels in (*((layer.name, layer.kernels) for layer in report.layers), (OUTSIDE, outside)):
        for kernel in kernels:
            yield tuple(_LAYER[name](label, kernel) for name in by), kernel.launches, kernel.ns


def _device_label(report: Report, index: int) -> str:
    name = next((device.name for device in report.trace.devices if device.index == index), "")
    return f"{index} {name}".strip()
