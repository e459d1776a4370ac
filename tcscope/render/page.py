"""The page of a report on a terminal: the answer first, then where the time went, then what to do."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from tcscope.analysis.ledger.flows import flows
from tcscope.model import Evidence, Finding, Kernel, Layer, Measured, Report, Unit
from tcscope.render import text
from tcscope.render.lines import LEVEL_STYLES, STYLES, Lines
from tcscope.render.reformats import route, summary, why
from tcscope.wording import count, duration, percent, plain

_FLOWS = 5  # directions of reformats shown at most
_INDENT = 7  # where names begin: under the first number of their kernel


class Page(Lines):
    """One report on one console."""

    def __init__(self, console: Console, report: Report, top: int, full_names: bool) -> None:
        super().__init__(console, full_names)
        self.report = report
        self.top = top

    def show(self) -> None:
        """Print the page."""
        report = self.report
        self._header()
        self._answer()
        if report.layering is None or not {"layer", "range"} & set(report.by):
            self._groups()
        self._layers()
        astray: list[Kernel] = []
        rest: list[Kernel] = []
        for kernel in report.kernels:
            is_astray = kernel.op.is_matrix and kernel.unit is Unit.CUDA_CORE and report.tensor_share.low is not None
            (astray if is_astray else rest).append(kernel)
        self._kernels("Matrix work on CUDA cores", astray)
        self._kernels("All other kernels" if astray else "Kernels", rest)
        self._measured()
        self._reformats()
        for finding in report.findings:
            self._finding(finding)

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
            self._line((text.NOT_APPLICABLE, "bold"), f" ({text.why_no_share(self.report.trace)})")
            return
        rows = text.shares(self.report.tensor_share)
        width = max(len(text.bracket(low, high)) for _, low, high in rows)
        for what, low, high in rows:
            bar = self._bar(low, high) if low is not None and high is not None else Text()
            self._line((f"{text.bracket(low, high):<{width}}", "bold"), f"  {what:<40}  ", bar)
        whole = self.report.measurement
        if whole is not None and whole.tensor_active is not None:
            value, interval = text.estimate(whole.tensor_active)
            busy = self._bar(whole.tensor_active.value / 100, whole.tensor_active.value / 100)
            self._line((f"{f'{value} %':<{width}}", "bold"), f"  {f'busy, as measured ({interval})':<40}  ", busy)

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
            (layering.joined_ns, "joined by tactic and order of launches: no range tells their layer"),
            (0 if layering.joined_ns else layering.graph_ns, "launched by CUDA graphs: their layers are hidden"),
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
            if self.full_names:
                name = plain(entry.name)
            elif isinstance(entry, Kernel):
                name = self._name(entry.name, room, entry.cue)
            else:
                name = text.shorten(entry.name, room, gap=self.gap)
            self._line(" " * _INDENT, (name, "cyan"))
        more = entries[self.top :]
        if more:
            ns, launches = sum(entry.ns for entry in more), sum(entry.launches for entry in more)
            self._line(self._numbers(ns, f"{launches:>9,}"), (f"{'':11}{len(more)} more (--top N)", "dim"))

    def _measured(self) -> None:
        """What samples tell of the kernels: two lines each, as above."""
        measured = [kernel for kernel in self.report.kernels if kernel.measured is not None]
        if self.report.measurement is None or not measured:
            return
        self._title("Measured, in percent of what the GPU could do")
        self._line((f"from {text.how_measured(self.report.measurement)}", "dim"))
        titles = f"{'time %':>6} {'tensor':>7}  {'95 %':<14} {'issue':>6} {'DRAM rd':>8} {'wr':>5} {'samples':>8}"
        self._line((titles, "bold"))
        for kernel in measured[: self.top]:
            found = kernel.measured or Measured()
            tensor, interval = text.estimate(found.tensor_active)
            issue, read, write = (text.estimate(e)[0] for e in (found.sm_issue, found.dram_read, found.dram_write))
            share = percent(kernel.ns / max(self.report.totals.kernel_ns, 1))
            self._line(
                f"{share:>6} {tensor:>7}  {interval:<14} {issue:>6} {read:>8} {write:>5} {found.windows:>8,}",
                ("" if found.identifiable else "  not identifiable", "yellow"),
            )
            cut = self._name(kernel.name, self.console.width - _INDENT, kernel.cue)
            self._line(" " * _INDENT, (plain(kernel.name) if self.full_names else cut, "cyan"))
        if measured[self.top :]:
            self._line((f"{'':>6} {len(measured) - self.top:>7} more (--top N)", "dim"))

    def _reformats(self) -> None:
        """The ledger by reason and direction, or a line of it where no layers are known: its kernels stand above."""
        total = summary(self.report)
        if not total:
            return
        self._title("Reformats")
        if not any(row.layer for row in self.report.reformats):
            self.console.print(Text(total + ("" if self.report.layering else " (why: --by layer)")))
            return
        found = flows(self.report.reformats)
        total = total.partition(":")[0]
        self._line((f"{'time %':>6} {'total ms':>10} {'launches':>9} {'avg':>9}  why, direction: {total}", "bold"))
        shown = min(self.top, _FLOWS)
        for flow in found[:shown]:
            number = f" ({len(flow.rows)}, the longest:)" if len(flow.rows) > 1 else ""
            said = f" {duration(flow.ns / max(flow.launches, 1)):>9}  {why(flow)}"
            self._line(self._numbers(flow.ns, f"{flow.launches:>9,}"), said, (number, "dim"))
            room = None if self.full_names else self.console.width - _INDENT
            self._line(" " * _INDENT, (plain(route(flow.rows[0], room, gap=self.gap)), "cyan"))
        if found[shown:]:
            ns, launches = sum(flow.ns for flow in found[shown:]), sum(flow.launches for flow in found[shown:])
            more = f"{'':11}{len(found) - shown} more (--format json)"
            self._line(self._numbers(ns, f"{launches:>9,}"), (more, "dim"))

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
            if entry.rule or entry.evidence is not Evidence.NONE:  # what outranks the rules names itself: (sass)
                yield f" ({entry.rule or entry.evidence})", "dim"
        elif len(entry.kernels) > 1:
            yield f" ({len(entry.kernels)} kernels)", "dim"

    def _finding(self, finding: Finding) -> None:
        self.console.print()
        message = Text.assemble((f"{finding.level}: ", LEVEL_STYLES[finding.level]), plain(finding.message))
        self.console.print(message)
        if finding.hint:
            self._line(("  hint: ", "dim"), plain(finding.hint))
