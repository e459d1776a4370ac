"""The trend of a metric: a sparkline and a line a run on a terminal or in a pipe, or CSV."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Iterator, Sequence
from typing import TextIO

from rich.text import Text

from tcscope.model.check import Measure, Outcome
from tcscope.model.history import Point, Series, Trend
from tcscope.render import terminal
from tcscope.render.csvwriter import CsvWriter
from tcscope.render.text import shorten
from tcscope.wording import count, duration, plain

COLUMNS = ("trace", "gpu", "selection", "commit", "time", "outcome", "value", "change", "changed")
_BARS = "▁▂▃▄▅▆▇█"
_ASCII_BARS = "_.-~+*%#"
_UNKNOWN = "?"
_COMMIT = 8
_LABEL = 8
_STYLES = {Outcome.FAILED: "red", Outcome.WARNED: "yellow"}


def write(trend: Trend, stream: TextIO) -> None:
    """Write the trend; where the stream is no terminal it is plain and 80 columns wide, or $COLUMNS."""
    console = terminal.console_for(stream)
    if not console.is_terminal:
        stream.write(as_text(trend, width=console.width, encoding=console.encoding))
        return
    for line in _lines(trend, console.width, console.encoding):
        console.print(line, no_wrap=True, overflow="ignore", crop=False, soft_wrap=True)


def as_text(trend: Trend, *, width: int = 80, encoding: str = "utf-8") -> str:
    """The trend as plain text, without blanks at the ends of lines."""
    shown = "".join(f"{line.plain.rstrip()}\n" for line in _lines(trend, width, encoding))
    return shown.encode(encoding, "replace").decode(encoding)


def as_csv(trend: Trend) -> str:
    """A row a run: shares 0..1, times in ns."""
    stream = io.StringIO()
    writer = CsvWriter(stream)
    writer.writerow(COLUMNS)
    for series in trend.series:
        for point in series.points:
            row = [series.trace, series.gpu, series.selection, point.commit, point.time, point.outcome]
            numbers = ["" if number is None else number for number in (point.value, point.change)]
            writer.writerow([*row, *numbers, int(point.changed)])
    return stream.getvalue()


def sparkline(values: Sequence[float | None], *, bars: str = _BARS) -> str:
    """A character a value, from the least to the most; in the middle where all are equal."""
    known = [value for value in values if value is not None]
    least, span = min(known, default=0.0), max(known, default=0.0) - min(known, default=0.0)
    top = len(bars) - 1
    return "".join(
        _UNKNOWN if value is None else bars[round((value - least) / span * top) if span else top // 2]
        for value in values
    )


def _lines(trend: Trend, width: int, encoding: str) -> Iterator[Text]:
    unicode = encoding.lower().startswith("utf")
    for number, series in enumerate(trend.series):
        if number:
            yield Text()
        yield from _series(trend, series, width, unicode)
    if any(point.changed for series in trend.series for point in series.points):
        yield Text()
        said = f"{_mark(unicode)} first run of a change: {trend.metric} differs from the runs before {trend.rule}"
        for line in textwrap.wrap(plain(said), width, subsequent_indent="  ", break_long_words=False):
            yield Text(line, "dim")


def _series(trend: Trend, series: Series, width: int, unicode: bool) -> Iterator[Text]:
    about = {"metric": trend.metric, "trace": series.trace, "gpu": series.gpu, "only": series.selection}
    for label, value in about.items():
        if value:
            shown = shorten(value, width - _LABEL, gap="…" if unicode else "...")
            yield Text.assemble((f"{label:<{_LABEL}}", "dim"), shown)
    values = [point.value for point in series.points]
    known = [value for value in values if value is not None]
    bars = sparkline(values[-(width - _LABEL) :], bars=_BARS if unicode else _ASCII_BARS)
    yield Text.assemble((f"{'trend':<{_LABEL}}", "dim"), (bars, "cyan"))
    yield Text.assemble(" " * _LABEL, _span(trend, known, series))
    yield Text()
    yield from _runs(trend, series, unicode)


def _runs(trend: Trend, series: Series, unicode: bool) -> Iterator[Text]:
    shown = [_shown(trend.measure, point) for point in series.points]
    room = max(len("value"), *(len(value) for value, _ in shown))
    after = max(len("change"), *(len(change) for _, change in shown))
    yield Text(f"  {'commit':<{_COMMIT}}  {'checked (UTC)':<16}  {'value':>{room}}  {'change':>{after}}", "bold")
    if series.earlier:
        yield Text(f"  {count(series.earlier, 'earlier run')} (--last N)", "dim")
    for point, (value, change) in zip(series.points, shown, strict=True):
        mark = _mark(unicode) if point.changed else " "
        commit = plain(point.commit[:_COMMIT]) or "-"
        row = f"{mark} {commit:<{_COMMIT}}  {_when(point.time):<16}  {value:>{room}}  {change:>{after}}"
        ended = "" if point.outcome is Outcome.PASSED else f"  {point.outcome}"
        yield Text.assemble((row, "bold" if point.changed else ""), (ended, _STYLES.get(point.outcome, "")))


def _span(trend: Trend, known: Sequence[float], series: Series) -> str:
    changes = sum(point.changed for point in series.points)
    runs = f"{count(len(series.points), 'run')}, {count(changes, 'change')}"
    if not known:
        return f"not known in {runs}"
    least, most = _value(trend.measure, min(known)), _value(trend.measure, max(known))
    return f"{least if least == most else f'{least} to {most}'} in {runs}"


def _shown(measure: Measure, point: Point) -> tuple[str, str]:
    if point.value is None:
        return _UNKNOWN, ""
    if point.change is None:
        return _value(measure, point.value), ""
    return _value(measure, point.value), _change(measure, point.value, point.change)


def _value(measure: Measure, value: float) -> str:
    if measure is Measure.SHARE:
        return f"{100 * value:.2f} %"
    return duration(value) if measure is Measure.TIME else f"{value:,.0f}"


def _change(measure: Measure, value: float, change: float) -> str:
    if measure is Measure.SHARE:
        points = f"{100 * change:+.2f}"
        return f"{points} pp" if points.strip("+-0.") else "="
    if not change:
        return "="
    if measure is Measure.COUNT:
        return f"{change:+,.0f}"
    sign, before = "-" if change < 0 else "+", value - change
    percent = f"{100 * change / before:+.1f}" if before else ""
    relative = f" ({percent} %)" if percent.strip("+-0.") else ""
    return f"{sign}{duration(abs(change))}{relative}"


def _when(time: str) -> str:
    """`2026-11-23 06:06` of `2026-11-23T06:06:53`."""
    return plain(time[:16].replace("T", " "))


def _mark(unicode: bool) -> str:
    return "◆" if unicode else "*"
