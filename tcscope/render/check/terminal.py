"""The check on a terminal or in a pipe: failures first, then what moved, the verdict last."""

from __future__ import annotations

import os
import textwrap
from collections.abc import Iterator
from typing import TextIO

from tcscope.model.check import Check, Condition, Moved, Outcome, Spot
from tcscope.render.check import text as check_text
from tcscope.render.check.lines import MOST, place, worst_first
from tcscope.render.text import gpus
from tcscope.wording import percent, plain

SPOTS = 5  # layers or kernels listed below a condition
_MARGIN = 10
_STYLES = {
    Outcome.FAILED: "bold red",
    Outcome.WARNED: "bold yellow",
    Outcome.WITHIN_NOISE: "yellow",
    Outcome.PASSED: "green",
}
_WORDS = {
    Outcome.FAILED: "FAILED",
    Outcome.WARNED: "WARNED",
    Outcome.WITHIN_NOISE: "in noise",
    Outcome.PASSED: "passed",
}
_COLOUR = ("FORCE_COLOR", "TTY_COMPATIBLE")  # what makes rich take a pipe for a terminal

_TIMES = ("change", "before", "now")

Line = list[tuple[str, str]]  # a text and its style, '' for none


def write(check: Check, stream: TextIO, *, full_names: bool = False) -> None:
    """Write the check; where the stream is no terminal it is plain and 80 columns wide, or $COLUMNS."""
    if not stream.isatty() and not any(os.environ.get(name) for name in _COLOUR):
        asked = os.environ.get("COLUMNS", "")
        width = min(max(int(asked), 60), 160) if asked.isdecimal() else 80
        stream.write(as_text(check, full_names=full_names, width=width, encoding=stream.encoding or "utf-8"))
        return
    from rich.text import Text

    from tcscope.render.terminal import console_for

    console = console_for(stream)
    for line in _Page(check, console.width, console.encoding, full_names).lines():
        console.print(Text.assemble(*line), no_wrap=True, overflow="ignore", crop=False, soft_wrap=True)


def as_text(check: Check, *, full_names: bool = False, width: int = 80, encoding: str = "utf-8") -> str:
    """The check as plain text, without blanks at the ends of lines."""
    lines = ("".join(said for said, _ in line).rstrip() for line in _Page(check, width, encoding, full_names).lines())
    return "".join(f"{line}\n" for line in lines).encode(encoding, "replace").decode(encoding)


class _Page:
    """A check as lines."""

    def __init__(self, check: Check, width: int, encoding: str, full_names: bool) -> None:
        self.check = check
        self.width = width
        self.full_names = full_names
        self.gap = "…" if encoding.lower().startswith("utf") else "..."
        self.ms = check_text.milliseconds(check)

    def lines(self) -> Iterator[Line]:
        yield from self._header()
        yield []
        for condition in worst_first(self.check):
            yield from self._condition(condition)
        yield from self._moved()
        yield []
        for note in self.check.notes:
            yield from self._wrapped(f"note: {plain(note)}", "")
        yield [(check_text.headline(self.check), _STYLES[self.check.outcome])]

    def _header(self) -> Iterator[Line]:
        rows = [("trace", check_text.subject(self.check.trace))]
        if self.check.baseline is not None:
            rows.append(("baseline", check_text.baseline(self.check)))
        rows += [("" if number else "gpu", plain(line)) for number, line in enumerate(gpus(self.check.trace))]
        if self.check.budget:
            rows.append(("budget", plain(self.check.budget)))
        for label, line in rows:
            yield [(f"{label:<{_MARGIN}}", "dim"), (line, "")]

    def _condition(self, condition: Condition) -> Iterator[Line]:
        word, said, where = _WORDS[condition.outcome], plain(condition.text), place(condition)
        room = max(self.width - _MARGIN - len(where) - 2, len(said))
        yield [
            (f"{word:<{_MARGIN}}", _STYLES[condition.outcome]),
            (f"{said:<{room}}", "bold"),
            (f"  {where}", "dim"),
        ]
        noisy = condition.outcome is Outcome.WITHIN_NOISE
        yield from self._wrapped(plain(condition.message) if noisy else check_text.values(condition))
        if noisy or condition.outcome is Outcome.PASSED:
            return
        yield from (self._spot(spot) for spot in condition.where[:SPOTS])
        rest = condition.where_count - len(condition.where[:SPOTS])
        if rest > 0:
            yield [(f"{'':>{_MARGIN}}{rest:,} more", "dim")]
        if condition.hint:
            yield from self._wrapped(f"hint: {plain(condition.hint)}")

    def _spot(self, spot: Spot) -> Line:
        start = f"{percent(spot.share):>{_MARGIN + 5}} %  {spot.unit} {spot.precision} {spot.op}  "
        return [(start, ""), (self._name(spot.name, self.width - len(start), spot.cue), "cyan")]

    def _moved(self) -> Iterator[Line]:
        if not self.check.moved:
            return
        shown = self.check.moved[:MOST]
        yield []
        yield [(check_text.moved_title(self.check), "bold underline")]
        rows = [self._times(row) for row in shown]
        widths = [max(map(len, column)) for column in zip(_TIMES, *rows, strict=True)]
        yield [("  ".join(f"{head:>{w}}" for head, w in zip(_TIMES, widths, strict=True)), "bold")]
        for row, times in zip(shown, rows, strict=True):
            yield from self._row(row, [f"{time:>{width}}" for time, width in zip(times, widths, strict=True)])
        rest = len(self.check.moved) - len(shown)
        if rest:
            yield [(f"{'':>{_MARGIN}}{rest:,} more (all: -o check.json)", "dim")]

    def _times(self, row: Moved) -> tuple[str, str, str]:
        before, now = (self.ms.time(side.ns if side else None) for side in (row.before, row.now))
        return self.ms.change(row.delta_ns), before, now

    def _row(self, row: Moved, times: list[str]) -> Iterator[Line]:
        change, *sides = times
        line = "  ".join(["", *sides, check_text.way(row)])
        yield [(change, "red" if row.delta_ns > 0 else "green"), (line, "")]
        room = self.width - _MARGIN
        yield [(" " * _MARGIN, ""), (self._name(row.name, room), "cyan")]
        for word, kernel, cue in check_text.ran_by(row):
            yield [(" " * _MARGIN, ""), (f"{word} {self._name(kernel, room - 4, cue)}", "dim")]

    def _name(self, name: str, room: int, cue: str = "") -> str:
        return plain(name) if self.full_names else check_text.short(name, max(room, 20), cue, self.gap)

    def _wrapped(self, said: str, margin: str = " " * _MARGIN) -> Iterator[Line]:
        room = max(self.width - len(margin), 20)
        for line in textwrap.wrap(said, room, break_long_words=False, break_on_hyphens=False):
            yield [(margin + line, "")]
