"""The report on a terminal or in a pipe: the answer first, then where the time went, then what to do."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator, Sequence
from typing import TextIO

from rich.console import Console
from rich.table import Table
from rich.text import Text

from tcscope.model import Finding, Kernel, Layer, Level, Report, Unit
from tcscope.render import text
from tcscope.wording import count, duration, percent, plain

# Precisions have the colours of NVIDIA's TREx, whose users know them; the words always stand beside.
STYLES = {
    "tensor_core": "bold",
    "unknown": "dim",
    "int8": "green",
    "fp16": "yellow",
    "bf16": "yellow",
    "fp8": "blue",
    "fp4": "blue",
    "tf32": "magenta",
    "fp32": "red",
}
LEVEL_STYLES = {Level.ERROR: "bold red", Level.WARNING: "bold yellow", Level.NOTE: "bold"}
_NARROWEST, _WIDEST = 60, 160
_BAR = 20
_INDENT = 7  # where names begin: under the first number of their kernel


def write(report: Report, stream: TextIO, *, top: int = 10, full_names: bool = False) -> None:
    """Write the report; where the stream is no terminal it is plain and 80 columns wide, or $COLUMNS."""
    console = _console(stream)
    if console.is_terminal:
        _Page(console, report, top, full_names).show()
    else:
        stream.write(as_text(report, top=top, full_names=full_names, width=console.width, encoding=console.encoding))


def as_text(
    report: Report, *, top: int = 10, full_names: bool = False, width: int = 80, encoding: str = "utf-8"
) -> str:
    """The report as plain text, without blanks at the ends of lines."""
    buffer = io.TextIOWrapper(io.BytesIO(), encoding=encoding, errors="replace", newline="\n")
    console = Console(file=buffer, width=width, color_system=None, highlight=False, emoji=False, markup=False)
    _Page(console, report, top, full_names).show()
    buffer.seek(0)
    return "".join(f"{line.rstrip()}\n" for line in buffer)


def _console(stream: TextIO) -> Console:
    console = Console(file=stream, highlight=False, emoji=False, markup=False)
    asked = os.environ.get("COLUMNS", "")
    width = int(asked) if asked.isdecimal() else console.width if console.is_terminal else 80
    console.width = min(max(width, _NARROWEST), _WIDEST)
    return console


class _Page:
    """One report on one console."""

    def __init__(self, console: Console, report: Report, top: int, full_names: bool) -> None:
        self.console = console
        self.report = report
        self.top = top
        self.full_names = full_names
        self.unicode = console.encoding.lower().startswith("utf")

    def show(self) -> None:
        report = self.report
        self._header()
        self._answer()
        if report.layering is None or not {"layer", "range"} & set(report.by):
            self._groups()
        self._layers()
        astray = [k for k in report.kernels if k.op.is_matrix and k.unit is Unit.CUDA_CORE]
        if report.tensor_share.low is None:
            astray = []
        self._kernels("Matrix work on CUDA cores", astray)
        rest = [kernel for kernel in report.kernels if kernel not in astray]
        self._kernels("All other kernels" if astray else "Kernels", rest)
        for finding in report.findings:
            self._finding(finding)

    def _line(self, *parts: str | tuple[str, str] | Text) -> None:
        """A line that is never wrapped: what must be copied stays whole."""
        self.console.print(Text.assemble(*parts), no_wrap=True, overflow="ignore", crop=False, soft_wrap=True)

    def _header(self) -> None:
        trace, totals = self.report.trace, self.report.totals
        rows = [("trace", plain(trace.file))]
        rows += [("" if number else "gpu", line) for number, line in enumerate(text.gpus(trace))]
        rows.append(("with", text.captured_with(trace)))
        if text.selection(trace):
            rows.append(("only", text.selection(trace)))
        kernels = count(len({kernel.name for kernel in self.report.kernels}), "kernel")
        processes = f", {len(trace.processes)} processes" if len(trace.processes) > 1 else ""
        rows.append(
            ("time", f"{duration(totals.kernel_ns)} in {count(totals.launches, 'launch')} of {kernels}{processes}")
        )
        if self.report.iterations is not None:
            rows.append(("each", text.per_inference(self.report.iterations)))
        if text.beside(totals):
            rows.append(("beside", text.beside(totals)))
        for label, line in rows:
            self._line((f"{label:<{_INDENT}}", "dim"), line)

    def _answer(self) -> None:
        self._title("On Tensor Cores")
        if self.report.tensor_share.low is None:
            self._line((text.NOT_APPLICABLE, "bold"), " (there are none)")
            return
        rows = text.shares(self.report.tensor_share)
        width = max(len(text.bracket(low, high)) for _, low, high in rows)
        for what, low, high in rows:
            bar = self._bar(low, high) if low is not None and high is not None else Text()
            self._line((f"{text.bracket(low, high):<{width}}", "bold"), f"  {what:<40}  ", bar)

    def _bar(self, low: float, high: float) -> Text:
        full, half, empty = ("█", "▒", "░") if self.unicode else ("#", "?", ".")
        sure, open_ = round(low * _BAR), round(high * _BAR) - round(low * _BAR)
        return Text.assemble((full * sure, "green"), (half * open_, "yellow"), (empty * (_BAR - sure - open_), "dim"))

    def _groups(self) -> None:
        self.console.print()
        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
        for name in self.report.by:
            table.add_column(name, no_wrap=True)
        for name in ("time %", "total ms", "launches"):
            table.add_column(name, justify="right", no_wrap=True)
        room = max((self.console.width - 36) // max(len(self.report.by), 1) - 2, 11)
        for group in self.report.groups:
            keys = [Text(self._name(key, room), STYLES.get(key, "")) for key in group.keys]
            table.add_row(*keys, percent(group.share), text.milliseconds(group.ns), f"{group.launches:,}")
        self.console.print(table)

    def _layers(self) -> None:
        """The layers by time, and what no layer claims."""
        layering = self.report.layering
        if layering is None:
            return
        noun = "Ranges" if layering.level == "range" else "Layers"
        layers = sorted(self.report.layers, key=lambda layer: -layer.ns)
        self._entries(noun, "verdict of the main kernel", layers)
        for ns, what in (
            (layering.outside_ns, f"in no {noun[:-1].lower()}"),
            (layering.graph_ns, "launched by CUDA graphs: their layers are hidden"),
            (layering.unplaced_ns, "without a launch call in the trace"),
        ):
            if ns:
                self._line(self._numbers(ns, f"{'':>9}"), (f"{'':11}{what}", "dim"))

    def _kernels(self, title: str, kernels: Sequence[Kernel]) -> None:
        if kernels:
            self._entries(title, "verdict (rule)", kernels)

    def _entries(self, title: str, verdict: str, entries: Sequence[Kernel | Layer]) -> None:
        """Two lines an entry: its numbers and verdict, then its name, which has the width for itself."""
        self._title(title)
        self._line((f"{'time %':>6} {'total ms':>10} {'launches':>9} {'avg':>9}  {verdict}", "bold"))
        for entry in entries[: self.top]:
            room = self.console.width - _INDENT
            line = Text.assemble(self._numbers(entry.ns, f"{entry.launches:>9,}"), *self._verdict(entry))
            if not self.full_names:
                line.truncate(self.console.width, overflow="ellipsis" if self.unicode else "crop")
            self._line(line)
            cue = entry.cue if isinstance(entry, Kernel) else ""
            name = plain(entry.name) if self.full_names else self._name(entry.name, room, cue)
            self._line(" " * _INDENT, (name, "cyan"))
        more = entries[self.top :]
        if more:
            ns, launches = sum(entry.ns for entry in more), sum(entry.launches for entry in more)
            self._line(self._numbers(ns, f"{launches:>9,}"), (f"{'':11}{len(more)} more (--top N)", "dim"))

    def _numbers(self, ns: int, launches: str) -> str:
        share = percent(ns / max(self.report.totals.kernel_ns, 1))
        return f"{share:>6} {text.milliseconds(ns):>10} {launches}"

    def _verdict(self, entry: Kernel | Layer) -> Iterator[str | tuple[str, str]]:
        yield f" {duration(entry.ns / max(entry.launches, 1)):>9}  "
        yield str(entry.unit), STYLES.get(entry.unit, "")
        if entry.precision != "unknown":
            yield f" {entry.precision}", STYLES.get(entry.precision, "")
        if entry.op != "unknown":
            yield f" {entry.op}"
        if isinstance(entry, Kernel):
            if entry.src or entry.dst:
                yield f" {entry.src or '?'}->{entry.dst or '?'}"
            if entry.rule:
                yield f" ({entry.rule})", "dim"
        elif len(entry.kernels) > 1:
            yield f" ({len(entry.kernels)} kernels)", "dim"

    def _finding(self, finding: Finding) -> None:
        self.console.print()
        message = Text.assemble((f"{finding.level}: ", LEVEL_STYLES[finding.level]), plain(finding.message))
        self.console.print(message)
        if finding.hint:
            self._line(("  hint: ", "dim"), plain(finding.hint))

    def _title(self, title: str) -> None:
        self.console.print()
        self._line((title, "bold underline"))

    def _name(self, name: str, width: int, cue: str = "") -> str:
        return text.cut(name, width, cue, gap="…" if self.unicode else "...")
