"""Geometry of a waterfall: how one time becomes another, cause by cause. Positions are per cent of the width."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

_STEEP = 0.25  # the changes shall take at least this part of the width, if need be by an axis that starts above 0
_MARGIN = 0.1


@dataclass(frozen=True, slots=True)
class Step:
    """One bar, from `x` over `width`; `end` is where the next one starts."""

    x: float
    width: float
    end: float


@dataclass(frozen=True, slots=True)
class Waterfall:
    """The bars of both totals and of the steps between them. `origin_ns` is where the axis starts."""

    origin_ns: int
    before: Step
    steps: tuple[Step, ...]
    after: Step


def waterfall(before_ns: int, changes_ns: Sequence[int]) -> Waterfall:
    """The bars of `before_ns`, of each change in order, and of what comes out."""
    levels = [before_ns]
    for ns in changes_ns:
        levels.append(levels[-1] + ns)
    low, high = min(levels), max(levels)
    origin = 0
    if high - low < _STEEP * high:
        origin = max(low - max(int((high - low) * _MARGIN / _STEEP), high // 50), 0)
    scale = 100 / max(high - origin, 1)

    def at(ns: int) -> float:
        return (ns - origin) * scale

    steps = tuple(Step(at(min(a, b)), abs(b - a) * scale, at(b)) for a, b in pairwise(levels))
    return Waterfall(origin, Step(0.0, at(levels[0]), at(levels[0])), steps, Step(0.0, at(levels[-1]), at(levels[-1])))
