"""What was measured, put into a report: beside each kernel and each layer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from tcscope.analysis.activity.measure import Activity, Key
from tcscope.model import Kernel, Layer, Report, Unit
from tcscope.sources.nsys import NsysTrace

IDLE_BELOW = 50.0  # percent of Tensor Active: a kernel on Tensor Cores that leaves them idle for most of its time
_EXPLAINED = 20  # kernels at most whose launch shapes are looked up


def with_measured(report: Report, activity: Activity, trace: NsysTrace) -> Report:
    """The report with what its kernels and layers did. A layer is the mean of its kernels, weighted with the time that
    each ran for it; what a kernel did is its mean over all layers, for samples can't tell its launches apart.
    """
    times: dict[str, dict[Key, int]] = {}
    for kernel in report.kernels:
        of = times.setdefault(kernel.name, {})
        for key, ns in _places(kernel).items():
            of[key] = of.get(key, 0) + ns
    kernels = _shaped([replace(kernel, measured=activity.of(_places(kernel))) for kernel in report.kernels], trace)
    layers = tuple(replace(layer, measured=activity.of(_of_layer(layer, times))) for layer in report.layers)
    every = activity.of({key: ns for of in times.values() for key, ns in of.items()})
    whole = replace(activity.whole, tensor_active=every.tensor_active if every is not None else None)
    return replace(report, kernels=kernels, layers=layers, measurement=whole)


def _places(kernel: Kernel) -> dict[Key, int]:
    """The ns of a kernel by GPU."""
    sums: dict[Key, int] = {}
    for place in kernel.places:
        key = kernel.name, place.device
        sums[key] = sums.get(key, 0) + place.ns
    return sums


def _of_layer(layer: Layer, times: Mapping[str, Mapping[Key, int]]) -> dict[Key, int]:
    """The ns of a layer's kernels, on the GPUs as all launches of each are."""
    found: dict[Key, int] = {}
    for kernel in layer.kernels:
        on = times.get(kernel.name, {})
        whole = sum(on.values())
        for key, ns in on.items():
            found[key] = found.get(key, 0) + (kernel.ns * ns // whole if whole else 0)
    return found


def leaves_idle(kernel: Kernel) -> bool:
    """Whether a kernel surely leaves the Tensor Cores it runs on idle for most of its time."""
    measured = kernel.measured
    active = measured.tensor_active if measured is not None and measured.identifiable else None
    return kernel.unit is Unit.TENSOR_CORE and active is not None and active.high < IDLE_BELOW


def _shaped(kernels: list[Kernel], trace: NsysTrace) -> tuple[Kernel, ...]:
    """The kernels, with the launch shape of those that leave Tensor Cores idle, most time first."""
    from tcscope.sources.nsys.shapes import read_shapes

    idle = {kernel.name for kernel in [kernel for kernel in kernels if leaves_idle(kernel)][:_EXPLAINED]}
    shapes = read_shapes(trace.db, trace.devices, idle)
    return tuple(
        replace(kernel, measured=replace(kernel.measured, shape=shapes.get((kernel.name, kernel.places[0].device))))
        if kernel.name in idle and kernel.measured is not None
        else kernel
        for kernel in kernels
    )
