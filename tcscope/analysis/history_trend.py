"""The trend of a metric over the runs of a history, and the first run of each change."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path
from statistics import median

from tcscope.analysis.history import Asked, figure_in, metric_of
from tcscope.errors import TraceError, UsageError
from tcscope.model.check import Measure
from tcscope.model.history import Figure, Point, Run, Series, Trend
from tcscope.sources import history
from tcscope.wording import plain

LEAST_SHARE = 0.001  # 0.1 percentage points
LEAST_TIME = 0.01  # of the level; with the noise measured
LEAST_TIME_UNMEASURED = 0.05
RULES = {
    Measure.SHARE: "by more than 0.1 pp",
    Measure.TIME: "by more than 1% and the noise of its instances, or 5% where that isn't known",
    Measure.COUNT: "by any number",
}


def trend(path: str | Path, metric: str, *, trace: str | None = None, last: int | None = None) -> Trend:
    """A metric, in a budget's words, over the runs of a history: a series for each trace, GPU and selection.

    `trace` takes the traces whose file name matches a pattern, `last` the last runs of each series. A run begins a new
    level where it differs from the median of the level so far by more than `rule` says. Raises UsageError, and
    TraceError where no run knows the metric.
    """
    asked = metric_of(metric)
    runs = history.read(Path(path))
    if not runs:
        raise TraceError(f"{path} holds no run yet", f"tcscope check TRACE --history {path}")
    chosen = [run for run in runs if trace is None or fnmatchcase(run.trace, trace)]
    if not chosen:
        known = ", ".join(sorted({plain(run.trace) for run in runs}))
        raise UsageError(f"no trace '{trace}' in {path}: it has {known}", "--trace 'resnet*'")
    series = tuple(_series(asked, found) for found in _grouped(chosen))
    if all(point.value is None for found in series for point in found.points):
        raise TraceError(
            f"no run in {path} knows {metric}", "put it into the budget: what a condition measures is kept from then on"
        )
    if last is not None:
        series = tuple(_cut(found, last) for found in series)
    return Trend(metric=str(asked.metric), measure=asked.measure, rule=RULES[asked.measure], series=series)


def _cut(series: Series, last: int) -> Series:
    earlier = max(len(series.points) - last, 0)
    return replace(series, points=series.points[earlier:], earlier=earlier)


def _grouped(runs: Iterable[Run]) -> list[list[Run]]:
    """The runs that can be compared: those of one trace, GPU and selection, in the order of the first of each."""
    found: dict[tuple[str, str, str], list[Run]] = {}
    for run in runs:
        found.setdefault((run.trace, run.gpu, run.selection), []).append(run)
    return list(found.values())


def _series(asked: Asked, runs: Sequence[Run]) -> Series:
    first = runs[0]
    points = tuple(_points(runs, [figure_in(run, asked) for run in runs]))
    return Series(first.trace, first.gpu, first.selection, points)


def _points(runs: Sequence[Run], figures: Sequence[Figure | None]) -> Iterator[Point]:
    level: list[Figure] = []
    for run, figure in zip(runs, figures, strict=True):
        if figure is None:
            yield Point(run.commit, run.time, run.outcome, None)
            continue
        before = level[-1].value if level else None
        changed = bool(level) and differs(figure, level)
        level = [figure] if changed else [*level, figure]
        change = None if before is None else figure.value - before
        yield Point(run.commit, run.time, run.outcome, figure.value, change, changed)


def differs(figure: Figure, level: Sequence[Figure]) -> bool:
    """Whether a run is off its level by more than chance: `RULES` says it in words."""
    usual = median(other.value for other in level)
    off = abs(figure.value - usual)
    if figure.measure is Measure.COUNT:
        return off > 0
    if figure.measure is Measure.SHARE:
        return round(off, 9) > LEAST_SHARE
    known = [other.noise_ns for other in level if other.noise_ns is not None]
    if figure.noise_ns is None or not known:
        return off > LEAST_TIME_UNMEASURED * usual
    # a run's noise is that of two recordings like it: of two unlike ones it is the root of the mean square
    return off > max(LEAST_TIME * usual, math.hypot(figure.noise_ns, median(known)) / math.sqrt(2))
