"""A check as Markdown: for GitHub's step summary, a comment, an issue."""

from __future__ import annotations

from collections.abc import Iterator

from tcscope.model.check import Check, Condition, Moved, Outcome, Ran
from tcscope.render import text
from tcscope.render.check import lines
from tcscope.render.check.text import headline
from tcscope.render.markdown import code, escaped, row, table_head

_MARKS = {Outcome.FAILED: "❌", Outcome.WARNED: "⚠️", Outcome.WITHIN_NOISE: "〰️", Outcome.PASSED: "✅"}
_WORDS = {Outcome.WITHIN_NOISE: "within noise"}
_KERNEL = 64  # characters of a kernel's name beside its layer's
_MOST = 20  # rows of what moved; a step summary holds 1 MiB


def as_markdown(check: Check) -> str:
    """The verdict, the conditions, failures first, and what moved."""
    out = [f"### {_MARKS[check.outcome]} {escaped(headline(check))}", ""]
    out += [f"- Trace: {code(check.trace.file)}", *(f"- GPU: {escaped(line)}" for line in text.gpus(check.trace))]
    if check.baseline_file:
        out.append(f"- Baseline: {code(check.baseline_file)}")
    out.append(f"- On Tensor Cores: {_shares(check)} of the kernel time")
    out += [f"- {escaped(note)}" for note in check.notes]
    if check.conditions:
        out += ["", *table_head((title, False) for title in ("", "condition", "expected", "found", "where"))]
        out += [_condition(condition) for condition in lines.worst_first(check)]
    out += _moved(check)
    return lines.writable("\n".join(out) + "\n")


def _shares(check: Check) -> str:
    now = f"**{text.bracket(check.tensor_share.low, check.tensor_share.high)}**"
    before = check.baseline_tensor_share
    return f"{text.bracket(before.low, before.high)} → {now}" if before is not None else now


def _condition(condition: Condition) -> str:
    mark = f"{_MARKS[condition.outcome]} {_WORDS.get(condition.outcome, condition.outcome)}"
    said = f"{code(condition.text)}<br>{code(lines.place(condition))}"
    if condition.outcome is Outcome.PASSED:
        return row([mark, said, escaped(condition.expected), escaped(condition.found.text), ""])
    if condition.hint:
        said += f"<br>{escaped(condition.hint)}"
    found = f"**{escaped(condition.found.text)}**"
    if condition.baseline is not None:
        found += f"<br>baseline {escaped(condition.baseline.text)}"
    return row([mark, said, escaped(condition.expected), found, "<br>".join(_where(condition))])


def _where(condition: Condition) -> Iterator[str]:
    for spot in condition.where[: lines.SPOTS]:
        yield f"{code(lines.name(spot.name))} {spot.unit} {spot.precision}, {text.milliseconds(spot.ns)} ms"
    rest = condition.where_count - len(condition.where[: lines.SPOTS])
    if rest > 0:
        yield f"and {rest:,} more"


def _moved(check: Check) -> Iterator[str]:
    if not check.moved:
        return
    yield ""
    title = lines.moved_title(check)
    yield f"**{title[:1].upper()}{escaped(title[1:])}**"
    yield ""
    yield from table_head([("change, ms", True), ("", False), ("before", False), ("now", False), ("cause", False)])
    for change in check.moved[:_MOST]:
        yield _change(change)
    if len(check.moved) > _MOST:
        yield ""
        yield f"and {len(check.moved) - _MOST:,} more"


def _change(change: Moved) -> str:
    named = f"{change.scope} {code(lines.name(change.name))}"
    delta = f"{change.delta_ns / 1e6:+,.3f}"
    return row([delta, named, _ran(change.before, change.name), _ran(change.now, change.name), change.cause])


def _ran(ran: Ran | None, name: str) -> str:
    if ran is None:
        return "-"
    by = "" if ran.kernel == name else f"<br>{code(text.cut(ran.kernel, _KERNEL, ran.cue))}"
    return f"{ran.unit} {ran.precision}, {text.milliseconds(ran.ns)}{by}"
