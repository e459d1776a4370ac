"""The diff as Markdown: for an issue, a pull request, a step summary."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from tcscope.model import Diff, Finding
from tcscope.render.diff import names as diff_names
from tcscope.render.diff import text as diff_text
from tcscope.render.markdown import code, escaped, row, table_head


def as_markdown(diff: Diff, *, top: int = 10) -> str:
    """Totals, causes, the layers that moved most and findings."""
    shown = diff_text.scale(diff)
    unit = f"{shown.unit}, {diff_text.per(diff)}"
    lines = [f"### {code(diff.base.trace.file)} → {code(diff.new.trace.file)}", ""]
    lines += [f"- Base: {escaped(diff_text.subject(diff.base))}", f"- New: {escaped(diff_text.subject(diff.new))}"]
    lines += [f"- GPU: {escaped(line)}" for line in diff_text.gpus(diff)]
    lines += ["", *_head((unit, "before", "now", "change", ""), 1)]
    for line in diff_text.totals(diff):
        lines.append(row([line.label.strip(), line.before, line.after, line.change, line.percent]))
    lines += ["", *_head(("cause", "meaning", f"{diff_text.noun(diff)}s", "most", f"change, {shown.unit}"), 2)]
    for cause in diff.causes:
        numbers = [f"{cause.layers:,}", shown.change(cause.most_ns), shown.change(cause.ns)]
        lines.append(row([cause.cause, cause.cause.meaning, *numbers]))
    whole = f"**{shown.change(diff.totals.delta_ns)}**"
    lines.append(row(["**all**", "", f"{len(diff.layers):,}", "", whole]))
    lines += _layers(diff, shown, top)
    lines += _findings(diff.findings)
    return "\n".join(lines) + "\n"


def _layers(diff: Diff, shown: diff_text.Scale, top: int) -> Iterator[str]:
    changes = diff_text.chosen(diff.layers, top)
    if not changes:
        return
    yield ""
    yield from _head((diff_text.noun(diff), "cause", "what runs it", "before", "now", f"change, {shown.unit}"), 3)
    for change in changes:
        name = code("".join(diff_names.name(change, shown)))
        cause = f"{change.cause}{diff_names.also(change, shown)}"
        before, now = (shown.time(side.ns if side else None) for side in (change.base, change.new))
        moved = escaped(diff_names.moved(change))
        yield row([name, cause, moved, before, now, shown.change(change.delta_ns)])


def _findings(findings: Iterable[Finding]) -> Iterator[str]:
    for number, finding in enumerate(findings):
        if not number:
            yield ""
        hint = f"<br>{code(finding.hint)}" if finding.hint else ""
        yield f"- **{finding.level}**: {escaped(finding.message)}{hint}"


def _head(columns: tuple[str, ...], words: int) -> list[str]:
    """Head of a table whose first `words` columns are text, the others numbers."""
    return table_head((name, number >= words) for number, name in enumerate(columns))
