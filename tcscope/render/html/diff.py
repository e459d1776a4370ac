"""The page of a diff: how much moved and why, both engines side by side, and every layer behind it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tcscope.model import Change, ChangeSide, Diff
from tcscope.render.diff import names as diff_names
from tcscope.render.diff import text as diff_text
from tcscope.render.html.listing import listing
from tcscope.render.html.report import KERNELS_SHOWN, LAYERS_SHOWN
from tcscope.render.html.site import page
from tcscope.render.html.strip import Span, wrapped
from tcscope.render.html.waterfall import waterfall
from tcscope.wording import plain


@dataclass(frozen=True, slots=True)
class Entry:
    """A change with its words; `number` is its place on the strips and in the list of details."""

    number: int
    change: Change
    name: str
    other: str
    moved: str
    also: str


@dataclass(frozen=True, slots=True)
class Column:
    """A layer on both strips: as wide as the longer side; `base` and `new` are per cent of that."""

    number: int
    change: Change
    span: Span
    base: float
    new: float


def as_html(diff: Diff) -> str:
    """The diff as one HTML file that needs nothing else."""
    scale = diff_text.scale(diff)
    ordered = sorted(diff.layers, key=lambda change: (change.place is None, change.place or 0, -_longest(change)))
    numbers = {id(change): number for number, change in enumerate(ordered)}
    entries = [_entry(numbers[id(change)], change, scale) for change in diff.layers]
    in_order = sorted(entries, key=lambda entry: entry.number)
    values = {"scale": scale, "diff": diff}
    return page(
        "diff.html",
        diff,
        f"{plain(diff.base.trace.file)} → {plain(diff.new.trace.file)}",
        diff=diff,
        scale=scale,
        text=diff_text,
        noun="kernel" if diff.by == "kernel" else "layer",
        totals=diff_text.totals(diff),
        fall=waterfall(diff.totals.base.kernel_ns, [cause.ns for cause in diff.causes]),
        columns=_columns(ordered),
        rows=listing(entries, [abs(e.change.delta_ns) for e in entries], KERNELS_SHOWN, "change_row", **values),
        details=listing(in_order, [abs(e.change.delta_ns) for e in in_order], LAYERS_SHOWN, "change_entry", **values),
        precisions=_precisions(diff.layers),
        values=values,
    )


def _entry(number: int, change: Change, scale: diff_text.Scale) -> Entry:
    name, other = diff_names.name(change, scale)
    return Entry(number, change, name, other, diff_names.moved(change), diff_names.also(change, scale))


def _columns(changes: Sequence[Change]) -> tuple[Column, ...]:
    """The changes that take time on a side, in order."""
    spans = wrapped([_longest(change) for change in changes])
    return tuple(
        Column(number, change, span, *(100 * _ns(side) / _longest(change) for side in (change.base, change.new)))
        for number, (change, span) in enumerate(zip(changes, spans, strict=True))
        if _longest(change)
    )


def _precisions(changes: Sequence[Change]) -> tuple[str, ...]:
    sides = (side for change in changes for side in (change.base, change.new) if side is not None)
    return tuple(dict.fromkeys(side.precision for side in sides if side.precision != "unknown"))


def _longest(change: Change) -> int:
    return max(_ns(change.base), _ns(change.new))


def _ns(side: ChangeSide | None) -> int:
    return side.ns if side is not None else 0
