"""Launches attributed to ranges become layers, each judged by its longest matrix kernel."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import replace

from tcscope.model import Attribution, Layer, Layering, LayerKernel, RangePart, Verdict

VerdictOf = Callable[[str, int], Verdict]  # of a kernel's name and the device it ran on


def layers_of(found: Attribution, level: str, verdict_of: VerdictOf) -> tuple[tuple[Layer, ...], Layering]:
    """The layers in the order in which they first ran, and how they came about."""
    by_range: dict[int | None, list[RangePart]] = defaultdict(list)
    for part in found.parts:
        by_range[part.range].append(part)
    layers = [
        judged(Layer(name=name, kernels=_kernels(by_range[number], verdict_of)))
        for number, name in enumerate(found.ranges)
        if by_range[number]
    ]
    outside = _kernels(by_range[None], verdict_of)
    return tuple(layers), Layering(
        level=level,
        outside=outside,
        outside_ns=sum(kernel.ns for kernel in outside),
        graph_ns=found.graph_ns,
        unplaced_ns=found.unplaced_ns,
    )


def judged(layer: Layer) -> Layer:
    """The layer with the sums of its kernels, and the verdict of the one that counts."""
    kernels = layer.kernels
    main = max(kernels, key=lambda kernel: (kernel.op.is_matrix, kernel.ns), default=None)
    summed = replace(layer, launches=sum(k.launches for k in kernels), ns=sum(k.ns for k in kernels))
    return summed if main is None else replace(summed, unit=main.unit, precision=main.precision, op=main.op)


def _kernels(parts: Iterable[RangePart], verdict_of: VerdictOf) -> tuple[LayerKernel, ...]:
    """The parts of one range by kernel and verdict, longest first."""
    sums: dict[tuple[str, Verdict], list[int]] = defaultdict(lambda: [0, 0])
    for part in parts:
        entry = sums[part.name, verdict_of(part.name, part.device)]
        entry[0] += part.launches
        entry[1] += part.ns
    found = [LayerKernel(name, v.unit, v.precision, v.op, count, ns) for (name, v), (count, ns) in sums.items()]
    return tuple(sorted(found, key=lambda kernel: (-kernel.ns, kernel.name)))
