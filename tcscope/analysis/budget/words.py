"""Conditions on words: the unit, precision or op of the layers or kernels of a pattern."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from tcscope.analysis.budget.budget import Entry
from tcscope.analysis.budget.grammar import Metric
from tcscope.analysis.budget.measure import SHOWN, chosen, cues_of, glob
from tcscope.errors import TraceError
from tcscope.model import Change, Diff, Report
from tcscope.model.check import Amount, Clause, Condition, Measure, Outcome, Scope, Spot
from tcscope.wording import plain

_CUDA_SIDE = ("cuda_core", "unknown")  # words of a unit that nobody wishes for


def judge(entry: Entry, report: Report, diff: Diff | None) -> Condition:
    """How a condition on words ends: of several layers or kernels one that breaks it is enough.

    Raises TraceError where none matches or ran.
    """
    expression = entry.expression
    metric, written = expression.metric, expression.value
    subjects = _subjects(metric, report)
    before = _words_before(metric, diff) if written.baseline else {}
    if written.baseline:
        subjects = [spot for spot in subjects if spot.name in before]
        if not subjects:
            raise TraceError(f"no layer that matches '{metric.pattern}' has its like in the baseline")
    demanded = expression.operator if entry.clause is Clause.REQUIRE else {"==": "!=", "!=": "=="}[expression.operator]
    broken = [
        spot
        for spot in subjects
        if (_word(metric, spot) == (before[spot.name] if written.baseline else written.word)) is not (demanded == "==")
    ]
    limit = _summed([before[spot.name] for spot in broken or subjects]) if written.baseline else written.word
    found = _summed([_word(metric, spot) for spot in broken or subjects])
    verb = "must be" if demanded == "==" else "must not be"
    said = f"{plain(str(metric))} is {found}"
    count = f" in {len(broken)} of {len(subjects)} {metric.scope}s" if broken and len(subjects) > 1 else ""
    outcome = entry.outcome_if_broken if broken else Outcome.PASSED
    as_before = "as in the baseline" if written.baseline else limit
    return Condition(
        text=entry.text,
        clause=entry.clause,
        source=entry.source,
        line=entry.line,
        column=entry.column,
        metric=str(metric),
        measure=Measure.WORD,
        operator=expression.operator,
        limit=Amount(None, limit),
        expected=f"{demanded} {limit}",
        found=Amount(None, found),
        outcome=outcome,
        message=f"{said}{count}, {verb} {as_before}" if broken else f"{said}, as expected",
        baseline=Amount(None, limit) if written.baseline else None,
        where=tuple(broken[:SHOWN]),
        where_count=len(broken),
        hint=_hint(entry) if broken else "",
    )


def _subjects(metric: Metric, report: Report) -> list[Spot]:
    """The layers or kernels of the pattern that ran, longest first."""
    chosen(metric, report)
    rows = report.layers if metric.scope is Scope.LAYER else report.kernels
    pattern, whole = glob(metric.pattern), max(report.totals.kernel_ns, 1)
    scope, cues = metric.scope or Scope.KERNEL, cues_of(report)
    found = [
        Spot(scope, row.name, row.unit, row.precision, row.op, row.ns, row.ns / whole, cues.get(row.name, ""))
        for row in rows
        if pattern.fullmatch(row.name) and (row.ns or row.launches)
    ]
    if not found:
        raise TraceError(f"nothing ran for the {metric.scope}s that match '{metric.pattern}'")
    return sorted(found, key=lambda spot: (-spot.ns, spot.name))


def _word(metric: Metric, spot: Spot) -> str:
    return str(getattr(spot, metric.name))


def _words_before(metric: Metric, diff: Diff | None) -> dict[str, str]:
    """The word of each layer's counterpart in the baseline, as the diff matched them, by the layer's name now."""
    if diff is None or diff.by != "layer":
        raise TraceError("layers can't be compared with the baseline: not both have them", "--update-baseline")
    found: dict[str, str] = {}
    for change in diff.layers:
        if change.base is not None:
            found.update(dict.fromkeys(_names_now(change), str(getattr(change.base, metric.name))))
    return found


def _names_now(change: Change) -> Sequence[str]:
    return change.new.names if change.new is not None else ()


def _summed(words: Sequence[str]) -> str:
    """`tensor_core`, or `3 tensor_core, 1 cuda_core`."""
    counts = Counter(words)
    if len(counts) == 1:
        return words[0]
    return ", ".join(f"{number} {word}" for word, number in counts.most_common())


def _hint(entry: Entry) -> str:
    """What to type where the condition says the opposite of what is likely meant."""
    expression = entry.expression
    if entry.clause is Clause.REQUIRE or expression.operator != "==" or expression.value.word in _CUDA_SIDE:
        return ""
    return f"{entry.clause} says what must not be; under require: it would say what must be"
