"""The page of a sensitivity: layers in order with their loss, and what INT8 makes of each one's tensors."""

from __future__ import annotations

from dataclasses import dataclass
from math import log1p

from tcscope.model.sensitivity import LayerSensitivity, Mode, Sensitivity, TensorStats
from tcscope.render import sensitivity as words
from tcscope.render.html.site import page
from tcscope.wording import plain

_HEIGHT = 100.0
_FLOOR_DB, _ROOF_DB = 0.0, 60.0  # what the bars of SQNR reach from and to


@dataclass(frozen=True, slots=True)
class Bar:
    """A bar of a histogram, in per cent of the picture; `clipped` lies beyond what INT8 holds."""

    x: float
    width: float
    height: float
    clipped: bool


@dataclass(frozen=True, slots=True)
class Picture:
    """A tensor's histogram, its counts on a logarithmic scale, and where INT8 clips it."""

    what: str
    stats: TensorStats
    bars: tuple[Bar, ...]
    clips: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Entry:
    """A layer with its place in the network, its bar and its pictures."""

    number: int
    rank: int
    layer: LayerSensitivity
    height: float
    share: float
    pictures: tuple[Picture, ...]
    worst: Picture | None
    line: str


def as_html(found: Sensitivity) -> str:
    """The sensitivity as one HTML file that needs nothing else."""
    ranks = {id(layer): rank for rank, layer in enumerate(found.ranked())}
    highest = max((words.share(found, layer) for layer in found.layers), default=0.0)
    entries = [_entry(found, layer, at, ranks[id(layer)], highest) for at, layer in enumerate(found.layers)]
    return page(
        "sensitivity.html",
        found,
        f"INT8 in {plain(found.model)}, layer by layer",
        found=found,
        about=tuple(words.about(found)),
        whole=words.said_of(found, found.int8) if found.int8 is not None else "",
        saves=found.mode is Mode.ALL_BUT_ONE,
        own=found.metric.name not in words.OWN,
        entries=entries,
        ranked=sorted(entries, key=lambda entry: entry.rank),
        words=words,
    )


def _entry(found: Sensitivity, layer: LayerSensitivity, number: int, rank: int, highest: float) -> Entry:
    share = words.share(found, layer)
    stats = [("weight", layer.weights)] if layer.weights is not None else []
    shown = [*stats, *(("activation", one) for one in layer.activations)]
    pictures = tuple(_picture(what, one) for what, one in shown if one is not None)
    known = [one for one in pictures if one.stats.sqnr_db is not None]
    return Entry(
        number,
        rank,
        layer,
        _HEIGHT * max(share, 0.0) / highest if highest > 0 else 0.0,
        share,
        pictures,
        min(known, key=lambda one: one.stats.sqnr_db or 0.0, default=None),
        _line(layer),
    )


def _line(layer: LayerSensitivity) -> str:
    """The SQNR at the input of each later layer, as the points of a line."""
    later = words.later(layer)
    step = 100 / max(len(later) - 1, 1)
    points = []
    for at, one in enumerate(later):
        sqnr = words.arrived(one)
        level = _ROOF_DB if sqnr is None else min(max(sqnr, _FLOOR_DB), _ROOF_DB)
        points.append(f"{at * step:.2f},{_HEIGHT * (1 - (level - _FLOOR_DB) / (_ROOF_DB - _FLOOR_DB)):.2f}")
    return " ".join(points) if len(points) > 1 else ""


def _picture(what: str, stats: TensorStats) -> Picture:
    edges, counts = stats.histogram.edges, stats.histogram.counts
    if len(edges) != len(counts) + 1 or not counts:
        return Picture(what, stats, (), ())
    low, span = edges[0], (edges[-1] - edges[0]) or 1.0
    tallest = log1p(max(counts)) or 1.0
    clip = stats.clip if stats.clip is not None else float("inf")

    def at(value: float) -> float:
        return 100 * (value - low) / span

    bars = tuple(
        Bar(at(a), 100 * (b - a) / span, _HEIGHT * log1p(number) / tallest, min(abs(a), abs(b)) >= clip)
        for a, b, number in zip(edges, edges[1:], counts, strict=False)
        if number
    )
    one_scale = (stats.channels or 1) == 1
    inside = [value for value in (-clip, clip) if one_scale and edges[0] < value < edges[-1]]
    return Picture(what, stats, bars, tuple(at(value) for value in inside))
