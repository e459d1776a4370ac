"""One condition held against a report, and where it speaks of it against the baseline."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction

from tcscope.analysis.budget import words
from tcscope.analysis.budget.budget import Entry
from tcscope.analysis.budget.grammar import Metric, Value
from tcscope.analysis.budget.measure import SHOWN, spots, value
from tcscope.analysis.budget.metrics import fraction, measure_of
from tcscope.analysis.budget.noise import Noise, noise
from tcscope.analysis.budget.numbers import amounts
from tcscope.analysis.difference.sides import has_layers
from tcscope.errors import TraceError
from tcscope.model import Diff, Report
from tcscope.model.check import Amount, Clause, Condition, Measure, Outcome
from tcscope.wording import duration, plain

COMPARE: dict[str, Callable[[Fraction, Fraction], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
OPPOSITE = {"<": ">=", "<=": ">", ">": "<=", ">=": "<"}
_HIGHER_IS_BETTER = ("tensor_share", "eligible_tensor_share", "unit.tensor_core.share")


@dataclass(frozen=True, slots=True)
class Sides:
    """What a condition is held against: a report and, where there is one, its baseline with the diff of both."""

    new: Report
    base: Report | None = None
    diff: Diff | None = None


def judge(entry: Entry, sides: Sides) -> Condition:
    """How a condition ends. Raises TraceError where a report can't tell."""
    if measure_of(entry.expression.metric.name) is Measure.WORD:
        return words.judge(entry, sides.new, sides.diff)
    return _number(entry, sides)


def _number(entry: Entry, sides: Sides) -> Condition:
    expression = entry.expression
    metric, measure = expression.metric, measure_of(expression.metric.name)
    found = value(metric, sides.new)
    before = None
    if expression.value.baseline:
        before = _before(metric, measure, sides)
    limit = _limit(expression.value, before)
    holds = COMPARE[expression.operator](found, limit)
    broken = holds is not (entry.clause is Clause.REQUIRE)
    demanded = expression.operator if entry.clause is Clause.REQUIRE else OPPOSITE[expression.operator]
    too_much = demanded in ("<", "<=")
    chance = None
    if before is not None and sides.base is not None and measure is Measure.TIME:
        chance = noise(metric, sides.base, sides.new, before, found)
    outcome, by_noise = Outcome.PASSED, ""
    if broken:
        outcome = entry.outcome_if_broken
        if chance is not None and before is not None:
            by_noise = _explained(chance, before, limit, found, too_much=too_much)
            outcome = Outcome.WITHIN_NOISE if by_noise else outcome
    shown = amounts(measure, *(number for number in (found, limit, before) if number is not None))
    where = spots(metric, sides.new, too_much=too_much) if broken else []
    expected = f"{demanded} {shown[1].text}"
    return Condition(
        text=entry.text,
        clause=entry.clause,
        source=entry.source,
        line=entry.line,
        column=entry.column,
        metric=str(metric),
        measure=measure,
        operator=expression.operator,
        limit=shown[1],
        expected=expected,
        found=shown[0],
        outcome=outcome,
        message=_message(metric, shown, expected, broken=broken) + by_noise,
        baseline=shown[2] if before is not None else None,
        noise_ns=chance.ns if chance else None,
        where=tuple(where[:SHOWN]),
        where_count=len(where),
        hint=_hint(entry) if outcome in (Outcome.FAILED, Outcome.WARNED) else "",
    )


def _before(metric: Metric, measure: Measure, sides: Sides) -> Fraction:
    """The metric at the baseline, where it can be compared."""
    base, new = sides.base, sides.new
    if base is None:
        raise AssertionError("a condition on the baseline is judged with one")
    counts = [side.iterations.count if side.iterations else None for side in (base, new)]
    summed = measure is not Measure.SHARE and metric.name != "kernel_time_per_range"
    if summed and counts[0] != counts[1] and None not in counts:
        raise TraceError(
            f"the baseline has {counts[0]} inferences, {new.trace.file} {counts[1]}: their sums can't be compared",
            "compare kernel_time_per_range, or record as many inferences",
        )
    if metric.name.startswith("reformat") and has_layers(base) is not has_layers(new):
        raise TraceError(
            "reformats can't be compared: only one of baseline and trace has layers", "--update-baseline, of a good run"
        )
    try:
        return value(metric, base)
    except TraceError as error:
        raise TraceError(f"the baseline can't tell: {error.message}", error.hint) from error


def _limit(written: Value, before: Fraction | None) -> Fraction:
    quantity = written.quantity
    if before is None:
        return fraction(quantity) if quantity else Fraction(0)
    if quantity is None:
        return before
    # of a baseline, % is relative and pp are points
    change = before * Fraction(quantity.number) / 100 if quantity.unit == "%" else fraction(quantity)
    return before + change if written.sign == "+" else before - change


def _explained(chance: Noise, before: Fraction, limit: Fraction, found: Fraction, *, too_much: bool) -> str:
    """How chance explains a broken condition; nothing where it doesn't.

    What must exceed the noise is the way from the baseline or, where the limit asks for more than the baseline has,
    from the limit.
    """
    nearer = min(before, limit) if too_much else max(before, limit)
    excess = of_sums = float(found - nearer)
    if chance.base_ns is not None and chance.now_ns is not None:
        excess = chance.now_ns - chance.base_ns * float(nearer / before if before else 1)
    beyond = excess if too_much else -excess
    if beyond > chance.ns or (not chance.ns and excess == of_sums):
        return ""
    of = "the medians differ" if chance.now_ns is not None else "it differs"
    return f"; within noise: {of} by {duration(abs(excess))}, chance alone by up to {duration(chance.ns)}"


def _message(metric: Metric, shown: Sequence[Amount], expected: str, *, broken: bool) -> str:
    baseline = f" (baseline {shown[2].text})" if len(shown) > 2 and shown[2].text not in expected else ""
    return f"{plain(str(metric))} is {shown[0].text}, {'expected' if broken else 'as expected'} {expected}{baseline}"


def _hint(entry: Entry) -> str:
    """What to type where the condition says the opposite of what is likely meant."""
    expression = entry.expression
    if entry.clause is Clause.REQUIRE or expression.metric.name not in _HIGHER_IS_BETTER:
        return ""
    if expression.operator not in (">", ">="):
        return ""
    return f"{entry.clause} says what must not be; under require: it would say what must be"
