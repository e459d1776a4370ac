"""The report as Markdown: for an issue, a pull request, a step summary."""

from __future__ import annotations

from tcscope.model import Report
from tcscope.render import text
from tcscope.wording import count, duration, percent, plain


def as_markdown(report: Report, *, top: int = 10) -> str:
    """The report's answer, groups, longest kernels and findings."""
    trace, totals = report.trace, report.totals
    lines = [f"### Tensor Core use of {_code(trace.file)}", ""]
    lines += [f"- GPU: {_escaped(line)}" for line in text.gpus(trace)]
    if text.selection(trace):
        lines.append(f"- Only: {_escaped(text.selection(trace))}")
    lines.append(f"- Kernel time: {duration(totals.kernel_ns)} in {count(totals.launches, 'launch')}")
    if totals.copies or totals.sets:
        lines.append(f"- Beside: memory copies {duration(totals.copy_ns)}, memory sets {duration(totals.set_ns)}")
    if totals.graph_launches:
        lines.append(f"- Opaque CUDA graphs: {duration(totals.graph_ns)} in no number here")
    for what, low, high in text.shares(report.tensor_share):
        lines.append(f"- On Tensor Cores: **{text.bracket(low, high)}** {what}")
    lines += ["", *_table((*report.by, "time %", "total ms", "launches"), len(report.by))]
    for group in report.groups:
        keys = [_code(key) if len(key) > 40 else _escaped(key) for key in group.keys]
        lines.append(_row([*keys, percent(group.share), text.milliseconds(group.ns), f"{group.launches:,}"]))
    lines += ["", f"**The {min(top, len(report.kernels))} kernels with most time**", ""]
    lines += _table(("kernel", "unit", "precision", "op", "rule", "time %", "total ms", "launches"), 5)
    for kernel in report.kernels[:top]:
        share = kernel.ns / max(totals.kernel_ns, 1)
        said = [kernel.unit, kernel.precision, kernel.op, kernel.rule or "-"]
        numbers = [percent(share), text.milliseconds(kernel.ns), f"{kernel.launches:,}"]
        lines.append(_row([_code(kernel.name), *said, *numbers]))
    if report.findings:
        lines.append("")
    for finding in report.findings:
        hint = f"<br>{_code(finding.hint)}" if finding.hint else ""
        lines.append(f"- **{finding.level}**: {_escaped(finding.message)}{hint}")
    return "\n".join(lines) + "\n"


def _table(columns: tuple[str, ...], words: int) -> list[str]:
    """Head of a table whose first `words` columns are text, the others numbers."""
    return [_row(columns), _row(["---" if n < words else "---:" for n in range(len(columns))])]


def _row(cells: list[str] | tuple[str, ...]) -> str:
    return "| " + " | ".join(map(str, cells)) + " |"


def _escaped(value: str) -> str:
    value = plain(value)
    for mark in "\\`*_{}[]<>#|~":
        value = value.replace(mark, f"&#{ord(mark)};")
    return value


def _code(value: str) -> str:
    """Code in a table cell: HTML, since a backtick fence can't hold `|` or backticks everywhere."""
    value = plain(value).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    for mark in "|`*_[]\\":
        value = value.replace(mark, f"&#{ord(mark)};")
    return f"<code>{value}</code>"
