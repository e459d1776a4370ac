"""How `tcscope verify` answers: a page for people, CSV for scripts."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator

from tcscope.model import Precision, Unit
from tcscope.model.verification import Checked, Score, Verification
from tcscope.render import text
from tcscope.render.csvwriter import CsvWriter
from tcscope.wording import count, percent, plain

COLUMNS = (
    *("name", "outcome", "unit", "precision", "rule", "evidence"),
    *("counted_unit", "counted_precision", "counters", "launches", "ns", "sm", "note"),
)
_MEANINGS = {
    Score.RIGHT: "",
    Score.WRONG: "",
    Score.UNKNOWN: "the verdict is open, the counters are not",
    Score.UNCOUNTED: "the counters don't tell",
}
_WIDTH = 80
_INDENT = " " * 7
_UNTRACED = 3


def as_text(found: Verification, *, top: int = 10, full_names: bool = False) -> str:
    """Right, wrong and unknown by time and by kernels, then the differences one by one."""
    lines = [f"trace     {plain(found.trace.file)}"]
    lines += [f"gpu       {line}" for line in text.gpus(found.trace)]
    lines += [f"counters  {plain(found.counters)}", "", summary(found)]
    for outcome, title in ((Score.WRONG, "Wrong"), (Score.UNKNOWN, "Unknown, but counted")):
        rows = found.of(outcome)
        if rows:
            lines += ["", title, f"{'time %':>6} {'total ms':>10}  {'said (rule)':<36}  counted"]
            lines += _listed(rows, found, top, full_names)
    uncounted = found.of(Score.UNCOUNTED)
    if uncounted:
        lines += ["", "Not counted", f"{'time %':>6} {'total ms':>10}  why"]
        lines += _listed(uncounted, found, top, full_names)
    if found.untraced:
        shown = min(top, _UNTRACED)
        lines += ["", f"Counted, and not in the trace: {count(len(found.untraced), 'kernel')}"]
        lines += [f"{_INDENT}{_name(name, full_names)}" for name in found.untraced[:shown]]
        if len(found.untraced) > shown:
            lines.append(f"{_INDENT}{len(found.untraced) - shown} more (--format json)")
    return "\n".join(lines) + "\n"


def summary(found: Verification) -> str:
    """The sums in a table, and both shares in a line."""
    lines = [f"{'':10} {'kernels':>7} {'time %':>7} {'total ms':>10}"]
    for row in found.sums:
        if row.kernels or row.outcome in (Score.RIGHT, Score.WRONG):
            figures = f"{row.outcome:10} {row.kernels:7} {percent(row.share):>7} {text.milliseconds(row.ns):>10}"
            lines.append(f"{figures}  {_MEANINGS[row.outcome]}".rstrip())
    if found.tensor_share is not None:
        said = text.bracket(found.said_low, found.said_high)
        lines += ["", f"On Tensor Cores, of the time counted: {percent(found.tensor_share)} %; by the verdicts: {said}"]
    return "\n".join(lines)


def as_csv(found: Verification) -> str:
    """A row a kernel."""
    stream = io.StringIO()
    writer = CsvWriter(stream)
    writer.writerow(COLUMNS)
    for kernel in found.kernels:
        truth = kernel.truth
        counters = " ".join(f"{value.metric}={value.value:.0f}" for value in truth.counters)
        said = (kernel.name, kernel.outcome, kernel.unit, kernel.precision, kernel.rule, kernel.evidence)
        told = (truth.unit, "/".join(truth.precisions), counters)
        row = (*said, *told, kernel.launches, kernel.ns, kernel.sm, kernel.note)
        writer.writerow(["" if cell is None else cell for cell in row])
    return stream.getvalue()


def _listed(rows: Iterable[Checked], found: Verification, top: int, full_names: bool) -> Iterator[str]:
    rows = list(rows)
    whole = max(sum(kernel.ns for kernel in found.kernels), 1)
    for kernel in rows[:top]:
        figures = f"{percent(kernel.ns / whole):>6} {text.milliseconds(kernel.ns):>10}"
        if kernel.outcome is Score.UNCOUNTED:
            yield f"{figures}  {kernel.note}"
        else:
            yield f"{figures}  {_said(kernel):<36}  {_counted(kernel)}"
        yield f"{_INDENT}{_name(kernel.name, full_names)}"
    yield from _more(len(rows), top)


def _more(number: int, top: int) -> list[str]:
    return [f"{_INDENT}{number - top} more (--top {number})"] if number > top else []


def _said(kernel: Checked) -> str:
    precision = "" if kernel.precision is Precision.UNKNOWN else f" {kernel.precision}"
    return f"{kernel.unit}{precision}" + (f" ({kernel.rule})" if kernel.rule else "")


def _counted(kernel: Checked) -> str:
    types = " or ".join(kernel.truth.precisions)
    return f"{kernel.truth.unit} {types}" if kernel.truth.unit is Unit.TENSOR_CORE and types else str(kernel.truth.unit)


def _name(name: str, full_names: bool) -> str:
    return plain(name) if full_names else text.cut(name, _WIDTH - len(_INDENT))
