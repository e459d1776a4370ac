"""Kernels between two whose layers are known, given to the layers between those two."""

from __future__ import annotations

from collections.abc import Sequence

from tcscope.model import Layer, Op
from tcscope.rulebook.layer_types import LayerTypes

Owners = list["int | None"]  # for each kernel of a sequence the number of its layer
Kernels = list[tuple[int, Op]]  # positions in a sequence
Free = list[tuple[int, "frozenset[Op] | None"]]  # layers, and what their kernels may compute


def fill(
    owners: Owners, layers: Sequence[Layer], order: Sequence[int], ops: Sequence[Op | None], types: LayerTypes
) -> None:
    """Give the kernels between two placed ones to the layers between theirs, where there is one way to do it.

    Before the first and behind the last placed kernel the capture may have missed some: there each layer must have its
    kernel, and each kernel its layer.
    """
    place = {number: position for position, number in enumerate(order)}
    taken = {owner for owner in owners if owner is not None}
    idle = {n for n, layer in zip(order, layers, strict=True) if (known := types.of(layer.type)) and known.idle}
    allowed = {n: _ops(layer, types) for n, layer in zip(order, layers, strict=True)}
    for before, run, after in _runs(owners, ops):
        first = 0 if before is None else place[before] + 1
        last = len(order) if after is None else place[after]
        free = [n for n in order[first:last] if n not in taken and n not in idle]
        if (before is None or after is None) and len(run) != len(free):
            continue
        for at, number in _only_way(run, [(n, allowed[n]) for n in free]):
            owners[at] = number


def _runs(owners: Owners, ops: Sequence[Op | None]) -> list[tuple[int | None, Kernels, int | None]]:
    """Each stretch of kernels without a layer, with the layers of the kernels around it."""
    runs: list[tuple[int | None, Kernels, int | None]] = []
    before: int | None = None
    run: Kernels = []
    for at, (owner, op) in enumerate(zip(owners, ops, strict=True)):
        if owner is not None:
            runs.append((before, run, owner))
            before, run = owner, []
        elif op is not None:
            run.append((at, op))
    return [found for found in (*runs, (before, run, None)) if found[1]]


def _ops(layer: Layer, types: LayerTypes) -> frozenset[Op] | None:
    """What a layer's kernels may compute; None where its type doesn't tell."""
    known = types.of(layer.type)
    return known.ops if known is not None else None


def _only_way(run: Kernels, free: Free) -> list[tuple[int, int]]:
    """Pairs (kernel, layer) that every assignment in order has in common; one layer alone takes all that suit it."""
    if len(free) == 1:
        number, allowed = free[0]
        return [(at, number) for at, op in run if _suits(op, allowed)]
    forward = set(_greedy(run, free))
    backward = set(_greedy(run[::-1], free[::-1]))
    return sorted(forward & backward)


def _greedy(run: Kernels, free: Free) -> list[tuple[int, int]]:
    """Each of the shorter list to the first of the longer one that suits it, in order; nothing if one finds none."""
    pairs: list[tuple[int, int]] = []
    kernel = layer = 0
    fewer = min(len(run), len(free))
    while kernel < len(run) and layer < len(free):
        (at, op), (number, allowed) = run[kernel], free[layer]
        suits = _suits(op, allowed)
        if suits:
            pairs.append((at, number))
        kernel += suits or len(run) >= len(free)
        layer += suits or len(run) < len(free)
    return pairs if len(pairs) == fewer else []


def _suits(op: Op, allowed: frozenset[Op] | None) -> bool:
    return op is Op.UNKNOWN or allowed is None or op in allowed
