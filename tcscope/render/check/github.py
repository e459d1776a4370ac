"""A check as GitHub workflow commands: annotations that point at the lines of the budget.

Syntax, and how values are escaped: https://docs.github.com/en/actions/reference/workflow-commands-for-github-actions
and `escapeData`, `escapeProperty` of https://github.com/actions/toolkit/blob/main/packages/core/src/command.ts
"""

from __future__ import annotations

from collections.abc import Iterator

from tcscope.model.check import Check, Condition, Outcome
from tcscope.render.check import lines
from tcscope.render.check.text import headline
from tcscope.render.text import shorten
from tcscope.wording import plain

_COMMANDS = {Outcome.FAILED: "error", Outcome.WARNED: "warning", Outcome.WITHIN_NOISE: "notice"}
_SHOWN = 10  # annotations of one kind that GitHub shows of a step
_TITLE = 255  # characters


def as_github(check: Check) -> str:
    """An annotation for each condition that did not pass, worst first; then what moved, and the verdict."""
    told = [condition for condition in lines.worst_first(check) if condition.outcome in _COMMANDS]
    out = [_annotation(condition) for condition in told]
    out += _moved(check)
    crowded = [c for outcome, c in _COMMANDS.items() if sum(t.outcome is outcome for t in told) > _SHOWN]
    if crowded:
        out.append(f"GitHub shows {_SHOWN} annotations of a kind; this log has every {' and '.join(crowded)}.")
    out += [_inert(note) for note in check.notes]
    out.append(_inert(headline(check)))
    return lines.writable("".join(f"{line}\n" for line in out))


def _annotation(condition: Condition) -> str:
    title = f"{condition.clause}: {plain(condition.text)}"
    properties = {"title": shorten(title, _TITLE)}
    if condition.line is not None:
        place = {"file": plain(condition.source), "line": str(condition.line)}
        properties = place | ({"col": str(condition.column)} if condition.column is not None else {}) | properties
    message = "\n".join([plain(condition.message), *lines.details(condition)])
    given = ",".join(f"{key}={_property(value)}" for key, value in properties.items())
    return f"::{_COMMANDS[condition.outcome]} {given}::{_data(message)}"


def _moved(check: Check) -> Iterator[str]:
    """What moved, folded in the log."""
    if check.moved:
        yield f"::group::{_data(lines.moved_title(check))}"
        yield from map(_inert, lines.moved(check))
        yield "::endgroup::"


def _data(value: str) -> str:
    return value.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(value: str) -> str:
    return _data(value).replace(":", "%3A").replace(",", "%2C")


def _inert(line: str) -> str:
    """A line of the log that the runner takes for no command, neither `::name::` at its begin nor `##[name]` in it."""
    shown = plain(line).replace("##[", "## [")
    return f". {shown}" if shown.lstrip().startswith("::") else shown
