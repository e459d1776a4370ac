"""Geometry of a strip: blocks as wide as their time, side by side in rows. Positions are per cent of the width."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

_READABLE = 0.9  # per cent of a row: three blocks of four shall be at least this wide
_MOST_ROWS = 8


@dataclass(frozen=True, slots=True)
class Span:
    """Where a block stands: its row, its left edge and its width, both in per cent."""

    row: int
    x: float
    width: float


def wrapped(times: Sequence[int]) -> tuple[Span, ...]:
    """A span for each time, on one scale, in as many rows as make most of them readable; none is split."""
    total, widest = sum(times), max(times, default=0)
    if not total:
        return tuple(Span(0, 0.0, 0.0) for _ in times)
    room = max(total / _rows(times), widest)
    placed: list[tuple[int, int]] = []
    row = at = 0
    for ns in times:
        if at and at + ns > room:
            row, at = row + 1, 0
        placed.append((row, at))
        at += ns
    longest = max(at + ns for (_, at), ns in zip(placed, times, strict=True))
    scale = 100 / longest
    return tuple(Span(row, at * scale, ns * scale) for (row, at), ns in zip(placed, times, strict=True))


def _rows(times: Sequence[int]) -> int:
    """In one row the quartile of the blocks would be this many times too narrow."""
    known = sorted(ns for ns in times if ns)
    narrow = 100 * known[len(known) // 4] / sum(known)
    return min(max(math.ceil(_READABLE / narrow), 1), _MOST_ROWS)
