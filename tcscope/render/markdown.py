"""The report as Markdown: for an issue, a pull request, a step summary."""

from __future__ import annotations

import re
from collections.abc import Iterable

from tcscope.analysis.ledger.flows import flows
from tcscope.model import Measured, Report
from tcscope.render import text
from tcscope.render.reformats import route, summary, why
from tcscope.wording import count, duration, percent, plain

_MARKUP = re.compile(r"[\\`*_{}\[\]<>#|~&]")
_TIMES = (("time %", True), ("total ms", True), ("launches", True))


def as_markdown(report: Report, *, top: int = 10) -> str:
    """The report's answer, groups, longest kernels and findings."""
    trace, totals = report.trace, report.totals
    lines = [f"### Tensor Core use of {code(trace.file)}", ""]
    lines += [f"- GPU: {escaped(line)}" for line in text.gpus(trace)]
    if text.selection(trace):
        lines.append(f"- Only: {escaped(text.selection(trace))}")
    lines.append(f"- Kernel time: {duration(totals.kernel_ns)} in {count(totals.launches, 'launch')}")
    if totals.copies or totals.sets:
        lines.append(f"- Beside: memory copies {duration(totals.copy_ns)}, memory sets {duration(totals.set_ns)}")
    if totals.graph_launches:
        lines.append(f"- Opaque CUDA graphs: {duration(totals.graph_ns)} in no number here")
    for what, low, high in text.shares(report.tensor_share):
        lines.append(f"- On Tensor Cores: **{text.bracket(low, high)}** {what}")
    if report.measurement is not None and report.measurement.tensor_active is not None:
        value, interval = text.estimate(report.measurement.tensor_active)
        lines.append(f"- Tensor Cores busy, as measured: **{value} %** of the kernel time ({interval})")
    lines += ["", *table_head([*((name, False) for name in report.by), *_TIMES])]
    for group in report.groups:
        keys = [code(key) if len(key) > 40 else escaped(key) for key in group.keys]
        lines.append(row([*keys, percent(group.share), text.milliseconds(group.ns), f"{group.launches:,}"]))
    lines += ["", f"**The {min(top, len(report.kernels))} kernels with most time**", ""]
    lines += table_head([*((name, False) for name in ("kernel", "unit", "precision", "op", "rule")), *_TIMES])
    for kernel in report.kernels[:top]:
        share = kernel.ns / max(totals.kernel_ns, 1)
        said = [kernel.unit, kernel.precision, kernel.op, kernel.rule or "-"]
        numbers = [percent(share), text.milliseconds(kernel.ns), f"{kernel.launches:,}"]
        lines.append(row([code(kernel.name), *said, *numbers]))
    lines += _measured(report, top)
    lines += _reformats(report)
    if report.findings:
        lines.append("")
    for finding in report.findings:
        hint = f"<br>{code(finding.hint)}" if finding.hint else ""
        lines.append(f"- **{finding.level}**: {escaped(finding.message)}{hint}")
    return "\n".join(lines) + "\n"


def _measured(report: Report, top: int) -> list[str]:
    """What samples tell of the longest kernels."""
    measured = [kernel for kernel in report.kernels[:top] if kernel.measured is not None]
    if report.measurement is None or not measured:
        return []
    lines = ["", f"**Measured**, in percent, from {text.how_measured(report.measurement)}", ""]
    numbers = ("Tensor Active", "95 %", "SM Issue", "DRAM read", "DRAM write", "samples")
    lines += table_head([("kernel", False), *((name, True) for name in numbers), ("", False)])
    for kernel in measured:
        found = kernel.measured or Measured()
        others = (text.estimate(e)[0] for e in (found.sm_issue, found.dram_read, found.dram_write))
        sure = "" if found.identifiable else "not identifiable"
        lines.append(row([code(kernel.name), *text.estimate(found.tensor_active), *others, f"{found.windows:,}", sure]))
    return lines


def _reformats(report: Report) -> list[str]:
    """The ledger by direction, each with the way of its longest reformat."""
    total = summary(report)
    if not total:
        return []
    lines = ["", f"**Reformats**: {escaped(total)}"]
    if not any(reformat.layer for reformat in report.reformats):
        return lines
    lines.append("")
    lines += table_head([("why", False), *_TIMES, ("longest", False)])
    for flow in flows(report.reformats):
        share = percent(flow.ns / max(report.totals.kernel_ns, 1))
        numbers = [share, text.milliseconds(flow.ns), f"{flow.launches:,}"]
        way = route(flow.rows[0])
        lines.append(row([escaped(why(flow)), *numbers, code(way)]))
    return lines


def table_head(columns: Iterable[tuple[str, bool]]) -> list[str]:
    """The head of a table: each column's title, and whether it holds numbers."""
    titles, numbers = zip(*columns, strict=True)
    return [row(titles), row(["---:" if number else "---" for number in numbers])]


def row(cells: Iterable[object]) -> str:
    """A row of a table."""
    return "| " + " | ".join(map(str, cells)) + " |"


def escaped(value: str) -> str:
    """Text of which nothing is taken for markup."""
    return _MARKUP.sub(lambda mark: f"&#{ord(mark[0])};", plain(value))


def code(value: str) -> str:
    """Code in a table cell: HTML, since a backtick fence can't hold `|` or backticks everywhere."""
    value = plain(value).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    for mark in "|`*_[]\\":
        value = value.replace(mark, f"&#{ord(mark)};")
    return f"<code>{value}</code>"
