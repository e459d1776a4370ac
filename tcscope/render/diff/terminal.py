"""The diff on a terminal or in a pipe: one screen, worst first."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from typing import TextIO

from rich.text import Text

from tcscope.model import Change, Diff, Finding
from tcscope.render import terminal
from tcscope.render.diff import names as diff_names
from tcscope.render.diff import text as diff_text
from tcscope.wording import count, plain

SCREEN = 40  # lines: what the default output fits into
_FEWEST = 3  # layers shown, even where the screen is full
_INDENT = 7
_STYLE = {True: "red", False: "green"}


def write(diff: Diff, stream: TextIO, *, top: int | None = None, full_names: bool = False) -> None:
    """Write the diff; where the stream is no terminal it is plain and 80 columns wide, or $COLUMNS."""
    console = terminal.console_for(stream)
    if not console.is_terminal:
        shown = as_text(diff, top=top, full_names=full_names, width=console.width, encoding=console.encoding)
        stream.write(shown)
        return
    for line in _Page(diff, console.width, console.encoding, full_names).lines(top):
        console.print(line, no_wrap=True, overflow="ignore", crop=False, soft_wrap=True)


def as_text(
    diff: Diff, *, top: int | None = None, full_names: bool = False, width: int = 80, encoding: str = "utf-8"
) -> str:
    """The diff as plain text, without blanks at the ends of lines. `top` layers, or as many as fit on a screen."""
    lines = _Page(diff, width, encoding, full_names).lines(top)
    shown = "".join(f"{line.plain.rstrip()}\n" for line in lines)
    return shown.encode(encoding, "replace").decode(encoding)


class _Page:
    """One diff as lines."""

    def __init__(self, diff: Diff, width: int, encoding: str, full_names: bool) -> None:
        self.diff = diff
        self.width = width
        self.full_names = full_names
        self.gap = "…" if encoding.lower().startswith("utf") else "..."
        self.scale = diff_text.scale(diff)

    def lines(self, top: int | None) -> list[Text]:
        """All lines; without `top` as many layers, and then findings, as a screen has room for."""
        above = [*self._header(), Text(), *self._totals(), *self._causes()]
        below = self._findings(None if top is not None else SCREEN - len(above) - 2 * _FEWEST - 3)
        room = max((SCREEN - len(above) - len(below) - 3) // 2, _FEWEST) if top is None else top
        shown = diff_text.chosen(self.diff.layers, room, noise=top is not None)
        return [*above, *self._layers(shown), *below]

    def _header(self) -> Iterator[Text]:
        rows = [("base", diff_text.subject(self.diff.base)), ("new", diff_text.subject(self.diff.new))]
        rows += [("" if number else "gpu", line) for number, line in enumerate(diff_text.gpus(self.diff))]
        for label, line in rows:
            yield Text.assemble((f"{label:<{_INDENT}}", "dim"), line)

    def _totals(self) -> Iterator[Text]:
        head = f"{self.scale.unit}, {diff_text.per(self.diff)}"
        yield Text(f"{head:<25}{'before':>14}{'now':>15}{'change':>11}", "bold")
        for row in diff_text.totals(self.diff):
            yield Text(f"{row.label:<25}{row.before:>14}{row.after:>15}{row.change:>11}  {row.percent:>8}")

    def _causes(self) -> Iterator[Text]:
        """The causes, which add up; those that round to nothing only where there is no other."""
        change = self.scale.change(self.diff.totals.delta_ns)
        rows = [row for row in self.diff.causes if float(self.scale.change(row.ns))]
        yield Text()
        yield Text(f"{'change':>{_INDENT}} {diff_text.noun(self.diff) + 's':>7} {'most':>7}  cause", "bold")
        for row in rows or self.diff.causes[:1]:
            shown = (f"{self.scale.change(row.ns):>{_INDENT}}", _STYLE[row.ns > 0])
            most = f"{self.scale.change(row.most_ns):>7}"
            yield Text.assemble(shown, f" {row.layers:>7,} {most}  {row.cause:<19} ", (row.cause.meaning, "dim"))
        yield Text.assemble((f"{change:>{_INDENT}}", "bold"), f" {len(self.diff.layers):>7,} {'':>7}  all")

    def _layers(self, shown: list[Change]) -> Iterator[Text]:
        if not shown:
            return
        yield Text()
        yield Text(f"{'change':>{_INDENT}} {'before':>7} {'now':>7}  cause", "bold")
        for change in shown:
            yield from self._layer(change)
        rest = len(self.diff.layers) - len(shown)
        if rest:
            ns = self.diff.totals.delta_ns - sum(change.delta_ns for change in shown)
            yield Text(f"{self.scale.change(ns):>{_INDENT}} {'':>15}  {rest:,} more (--top N)", "dim")

    def _layer(self, change: Change) -> Iterator[Text]:
        before = self.scale.time(change.base.ns if change.base else None)
        now = self.scale.time(change.new.ns if change.new else None)
        numbers = (f"{self.scale.change(change.delta_ns):>{_INDENT}}", _STYLE[change.delta_ns > 0])
        yield Text.assemble(numbers, f" {before:>7} {now:>7}  {change.cause:<19} {diff_names.moved(change)}")
        extra = diff_names.also(change, self.scale)
        room = None if self.full_names else self.width - _INDENT - len(extra)
        name, other = diff_names.name(change, self.scale, room, self.gap)
        yield Text.assemble(" " * _INDENT, (name, "cyan"), (other, "dim"), extra)

    def _findings(self, room: int | None) -> list[Text]:
        """The findings, most serious first; those for which there is no room are counted."""
        lines: list[Text] = []
        for number, finding in enumerate(self.diff.findings):
            said = list(self._finding(finding))
            rest = len(self.diff.findings) - number
            if room is not None and 1 + len(lines) + len(said) + (rest > 1) > room:
                lines.append(Text(f"{count(rest, 'more finding')} (--top N)", "dim"))
                break
            lines += said
        return [Text(), *lines] if lines else []

    def _finding(self, finding: Finding) -> Iterator[Text]:
        said = textwrap.wrap(f"{finding.level}: {plain(finding.message)}", self.width, break_long_words=False)
        for number, line in enumerate(said):
            styled = Text(line)
            if not number:
                styled.stylize(terminal.LEVEL_STYLES[finding.level], 0, len(finding.level) + 1)
            yield styled
        if finding.hint:
            yield Text.assemble(("  hint: ", "dim"), plain(finding.hint))
