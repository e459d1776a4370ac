"""The set on a terminal or in a pipe."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import TextIO

from rich.console import Console

from tcscope.model.many import KernelSpread, MixedKernel, PartialKernel, Peers, TraceSet
from tcscope.render import terminal, text
from tcscope.render.lines import LEVEL_STYLES, STYLES, Lines
from tcscope.render.many import text as many_text
from tcscope.wording import plain

_INDENT = 7
_LEAST_NAME = 12


def write(found: TraceSet, stream: TextIO, *, top: int = 10, full_names: bool = False) -> None:
    """Write the set; where the stream is no terminal it is plain and 80 columns wide, or $COLUMNS."""
    terminal.write_page(lambda console: Page(console, found, top, full_names).show(), stream)


def as_text(
    found: TraceSet, *, top: int = 10, full_names: bool = False, width: int = 80, encoding: str = "utf-8"
) -> str:
    """The set as plain text, without blanks at the ends of lines."""
    return terminal.plain_page(lambda console: Page(console, found, top, full_names).show(), width, encoding)


class Page(Lines):
    """One set on one console: the traces, what differs between them, what to know."""

    def __init__(self, console: Console, found: TraceSet, top: int, full_names: bool) -> None:
        super().__init__(console, full_names)
        self.found = found
        self.top = top
        self.width = console.width
        numbers = [row.numbers for peers in found.peers for row in many_text.rows(found, peers, many_text.names(found))]
        self.widths = [max(map(len, column)) + 2 for column in zip(many_text.COLUMNS, *numbers, strict=True)]
        room = max(self.width - sum(self.widths), _LEAST_NAME)
        self.called = many_text.names(found, None if full_names else room, self.gap)

    def show(self) -> None:
        """Print the page."""
        self._label("set", many_text.heading(self.found))
        if self.called != many_text.names(self.found):
            common = many_text.beginning(self.found)
            self._label("named", common and text.shorten(common, self.width - _INDENT - 1, gap=self.gap) + self.gap)
        for number, peers in enumerate(self.found.peers):
            if number:
                self.console.print()
            self._peers(peers)
        self._mixed()
        for peers in self.found.peers:
            self._partial(peers)
        for peers in self.found.peers:
            self._spreads(peers)
        self._unread()
        self._findings()

    def _label(self, label: str, value: str) -> None:
        if value:
            self._line((f"{label:<{_INDENT}}", "dim"), value)

    def _peers(self, peers: Peers) -> None:
        self._label("gpu", many_text.gpus(peers))
        self._label("only", many_text.selection(peers))
        self.console.print()
        shown = [name for name, member in zip(self.called, self.found.traces, strict=True) if not member.error]
        room = max(map(len, [*shown, "stdev / mean"]))
        self._row(f"{'trace':<{room}}", many_text.COLUMNS, "bold")
        was_trace = True
        for row in many_text.rows(self.found, peers, self.called):
            if was_trace and not row.is_trace:
                self.console.print()
            was_trace = row.is_trace
            style = "bold yellow" if row.is_slowest else "" if row.is_trace else "dim"
            self._row(f"{row.label:<{room}}", row.numbers, style)
        slowest = many_text.slowest(self.found, peers, self.called)
        if slowest or peers.busy_ns is not None:
            self.console.print()
        self._about("slowest", slowest)
        self._about("busy", many_text.busy(peers))

    def _row(self, label: str, numbers: Sequence[str], style: str) -> None:
        cells = (f"{number:>{width}}" for number, width in zip(numbers, self.widths, strict=True))
        self._line(("".join([label, *cells]).rstrip(), style))

    def _about(self, label: str, value: str) -> None:
        if value:
            self._line((f"{label:<9}", "dim"), value)

    def _mixed(self) -> None:
        kernels = self.found.mixed
        if not kernels:
            return
        self._title("Kernels whose unit or precision differs")
        self._line((f"{'total ms':>12}  verdict, and where it holds", "bold"))
        for kernel in kernels[: self.top]:
            self._variants(kernel)
        self._more(sum(kernel.ns for kernel in kernels[self.top :]), len(kernels[self.top :]))

    def _variants(self, kernel: MixedKernel) -> None:
        for variant in kernel.variants:
            words = many_text.verdict(variant.unit, variant.precision, kernel.op)
            where = self._who(variant.traces, self.width - len(words) - 16)
            style = STYLES.get(variant.unit, "")
            self._line(f"{text.milliseconds(variant.ns):>12}  ", (words, style), ("  " + where, "dim"))
        self._kernel_name(kernel)

    def _partial(self, peers: Peers) -> None:
        kernels = peers.partial
        if not kernels:
            return
        self._title("Kernels that only some traces run" + self._of(peers))
        self._line((f"{'total ms':>12}{'launches':>10}  verdict, and who runs it", "bold"))
        for kernel in kernels[: self.top]:
            words = many_text.verdict(kernel.unit, kernel.precision, kernel.op)
            where = self._who(kernel.traces, self.width - len(words) - 26, peers.traces)
            numbers = f"{text.milliseconds(kernel.ns):>12}{kernel.launches:>10,}  "
            self._line(numbers, (words, STYLES.get(kernel.unit, "")), ("  " + where, "dim"))
            self._kernel_name(kernel)
        self._more(sum(kernel.ns for kernel in kernels[self.top :]), len(kernels[self.top :]))

    def _spreads(self, peers: Peers) -> None:
        kernels = [kernel for kernel in peers.kernels if kernel.min_ns < kernel.max_ns]
        if not kernels:
            return
        self._title("Kernels whose time differs most" + self._of(peers))
        head = f"{'mean ms':>12} {'min':>10} {'max':>10} {'max - min':>10}  most in"
        self._line((head, "bold"))
        for kernel in kernels[: self.top]:
            times = (kernel.min_ns, kernel.max_ns, kernel.max_ns - kernel.min_ns)
            numbers = f"{kernel.mean_ns / 1e6:>12,.3f}" + "".join(f" {text.milliseconds(ns):>10}" for ns in times)
            self._line(numbers, ("  " + self._who((kernel.most,), self.width - len(numbers) - 2), "dim"))
            self._kernel_name(kernel)
        if kernels[self.top :]:
            self._line((f"{'':{_INDENT}}{len(kernels) - self.top} more (--top N)", "dim"))

    def _who(self, traces: Sequence[int], room: int, among: Sequence[int] = ()) -> str:
        return many_text.who(self.called, traces, None if self.full_names else room, among, self.gap)

    def _of(self, peers: Peers) -> str:
        return f": {many_text.gpus(peers)}" if len(self.found.peers) > 1 else ""

    def _more(self, ns: int, number: int) -> None:
        if number:
            self._line(f"{text.milliseconds(ns):>12}", (f"  {number} more (--top N)", "dim"))

    def _kernel_name(self, kernel: MixedKernel | PartialKernel | KernelSpread) -> None:
        name = plain(kernel.name) if self.full_names else self._name(kernel.name, self.width - _INDENT, kernel.cue)
        self._line(" " * _INDENT, (name, "cyan"))

    def _unread(self) -> None:
        unread = [member for member in self.found.traces if member.error]
        if not unread:
            return
        self._title("Not read")
        hint = ""
        for number, member in enumerate(unread):
            for line in textwrap.wrap(plain(member.error), self.width, subsequent_indent="  ", break_on_hyphens=False):
                self._line(line)
            hint, following = member.hint, unread[number + 1].hint if number + 1 < len(unread) else ""
            if hint and hint != following:
                self._line(("  hint: ", "dim"), plain(hint))

    def _findings(self) -> None:
        for finding in self.found.findings:
            self.console.print()
            said = textwrap.wrap(f"{finding.level}: {plain(finding.message)}", self.width, break_on_hyphens=False)
            level = len(finding.level) + 1
            self._line((said[0][:level], LEVEL_STYLES[finding.level]), said[0][level:])
            for line in said[1:]:
                self._line(line)
            if finding.hint:
                self._line(("  hint: ", "dim"), plain(finding.hint))
