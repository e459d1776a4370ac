"""Layers without a common name, aligned in their order: the same kind of operator, the same shape."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tcscope.analysis.difference.names import MATRIX_NODES, node_op
from tcscope.analysis.difference.sides import Item
from tcscope.model import Kind

_CELLS = 1_000_000  # a longer comparison of strangers would take minutes: such layers stay unmatched


def next_anchors(items: Sequence[Item], owner: Mapping[int, int]) -> list[int | None]:
    """For each item the match of the next matched layer that computes: what the item comes before."""
    anchors: list[int | None] = [None] * len(items)
    following: int | None = None
    for at in range(len(items) - 1, -1, -1):
        anchors[at] = following
        if at in owner and items[at].kind is Kind.COMPUTE:
            following = owner[at]
    return anchors


def align(base: Sequence[Item], new: Sequence[Item]) -> list[tuple[int, int]]:
    """Pairs of positions, rising on both sides, of items that are alike, with the greatest sum of likeness."""
    if not base or not new or len(base) * len(new) > _CELLS:
        return []
    likeness = _likeness_of([_features(item) for item in base], [_features(item) for item in new])
    best = [[0.0] * (len(new) + 1)]  # of what lies behind the last item of base, then behind the one before, ...
    for row in reversed(likeness):
        below = best[-1]
        sums = [0.0] * (len(new) + 1)
        for n in range(len(new) - 1, -1, -1):
            paired = row[n] + below[n + 1] if row[n] else 0.0
            sums[n] = max(paired, below[n], sums[n + 1])
        best.append(sums)
    best.reverse()
    pairs = []
    b = n = 0
    while b < len(base) and n < len(new):
        if likeness[b][n] and best[b][n] == likeness[b][n] + best[b + 1][n + 1]:
            pairs.append((b, n))
            b, n = b + 1, n + 1
        elif best[b][n] == best[b + 1][n]:
            b += 1
        else:
            n += 1
    return pairs


@dataclass(frozen=True, slots=True)
class _Features:
    """What two items are compared by."""

    role: str
    shape: tuple[int, ...]
    ops: frozenset[str]


def _features(item: Item) -> _Features:
    shape = item.dims[1:] if len(item.dims) > 1 else item.dims  # without the batch
    return _Features(role(item), shape, frozenset(node_op(node) for node in item.nodes))


def _likeness_of(base: Sequence[_Features], new: Sequence[_Features]) -> list[list[float]]:
    """The likeness of each with each. There are few kinds of layers: a row is made once for each kind of base."""
    rows: dict[_Features, list[float]] = {}
    for left in base:
        if left not in rows:
            rows[left] = [_likeness(left, right) for right in new]
    return [rows[left] for left in base]


def _likeness(base: _Features, new: _Features) -> float:
    """0 for items that can't be the same work; more for a known equal shape and for the same operators."""
    if base.role != new.role or (base.shape and new.shape and base.shape != new.shape):
        return 0.0
    either = len(base.ops | new.ops)
    shared = len(base.ops & new.ops) / either if either else 0.0
    return 1.0 + (2.0 if base.shape and new.shape else 0.0) + shared


def role(item: Item) -> str:
    """What must agree: the matrix work, else the first operator of the ONNX graph, else the op of the main kernel."""
    if item.kind is not Kind.COMPUTE:
        return str(item.kind)
    ops = [node_op(node) for node in item.nodes]
    if item.op.is_matrix or MATRIX_NODES & set(ops):
        return "matrix"
    return ops[0] if ops else str(item.op)
