"""The metrics of a budget: their names, what each measures, and whether a condition on one makes sense."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from enum import Enum
from fractions import Fraction

from tcscope.analysis.budget.grammar import BASELINE, TIME_UNITS, Metric, Parsed, Quantity
from tcscope.errors import did_you_mean
from tcscope.model import Op, Precision, Unit
from tcscope.model.check import Measure, Scope

SHARE, TIME, COUNT, WORD = Measure.SHARE, Measure.TIME, Measure.COUNT, Measure.WORD
VOCABULARIES: dict[str, type[Enum]] = {"unit": Unit, "precision": Precision, "op": Op}
EVERYWHERE = {
    "tensor_share": SHARE,
    "eligible_tensor_share": SHARE,
    "unknown_share": SHARE,
    "reformat_share": SHARE,
    "kernel_time": TIME,
    "kernel_time_per_range": TIME,
    "reformat_time": TIME,
    "launches": COUNT,
}
WHOLE_ALONE = {"opaque_share": SHARE}
SCOPED_ALONE = {"share": SHARE, **dict.fromkeys(VOCABULARIES, WORD)}
PART = "share"  # the last word of `unit.tensor_core.share`

Complaint = tuple[int, str]  # where in the condition's text, from 0 on, and what is wrong


def measure_of(name: str) -> Measure:
    """What a metric of a known name is."""
    return {**EVERYWHERE, **WHOLE_ALONE, **SCOPED_ALONE}.get(name, SHARE)


def complaints(parsed: Parsed) -> Iterator[Complaint]:
    """What makes no sense in a condition that is well formed."""
    metric = parsed.expression.metric
    wrong = list(_of_metric(metric, parsed.words_at))
    yield from wrong
    if not wrong:
        yield from _of_value(parsed, measure_of(metric.name))


def fraction(quantity: Quantity) -> Fraction:
    """The number of a quantity in its measure: a share 0..1, ns, or launches."""
    number = Fraction(quantity.number)
    return number / 100 if quantity.unit in ("%", "pp") else number * TIME_UNITS.get(quantity.unit, 1)


def words_of(name: str) -> list[str]:
    """The vocabulary of a word metric."""
    return [str(word.value) for word in VOCABULARIES[name]]


def _of_metric(metric: Metric, words_at: tuple[int, ...]) -> Iterator[Complaint]:
    first, *rest = metric.name.split(".")
    known = {**EVERYWHERE, **(SCOPED_ALONE if metric.scope else WHOLE_ALONE)}
    of = f"of a {metric.scope} " if metric.scope else ""
    if first in VOCABULARIES and rest:
        if rest[0] not in words_of(first):
            meant = did_you_mean(rest[0], words_of(first)) or f": one of {', '.join(words_of(first))}"
            yield words_at[1], f"no {first} '{rest[0]}'{meant}"
        if rest[1:] != [PART]:
            yield words_at[min(2, len(rest))], f"write {first}.{rest[0]}.{PART}"
    elif rest:
        yield words_at[1], f"'{first}' has no part '{'.'.join(rest)}'"
    elif first in known:
        return
    elif first in SCOPED_ALONE:
        also = f", or {first}.{words_of(first)[0]}.{PART}" if first in VOCABULARIES else ""
        yield words_at[0], f"'{first}' is of layers or kernels: layer[\"NAME\"].{first}{also}"
    elif first in WHOLE_ALONE:
        yield words_at[0], f"'{first}' is of a whole trace, not {of}".rstrip()
    else:
        names = [*known, *(f"{name}.{word}.{PART}" for name in VOCABULARIES for word in words_of(name))]
        near = did_you_mean(first, [*known, *VOCABULARIES] if metric.scope else known) or did_you_mean(first, names)
        near = near or _meant_by_head(first, known)
        yield words_at[0], f"no metric '{first}'{near or ': one of ' + ', '.join(known)}"


def _meant_by_head(word: str, known: Iterable[str]) -> str:
    """`, did you mean 'tensor_share'?` for `tensr`: a misspelt first word alone is far from any whole name."""
    names = {name.partition("_")[0]: name for name in reversed(list(known))}
    near = difflib.get_close_matches(word, list(names), n=1)
    return f", did you mean '{names[near[0]]}'?" if near else ""


def _of_value(parsed: Parsed, measure: Measure) -> Iterator[Complaint]:
    expression = parsed.expression
    metric, value = expression.metric, expression.value
    if measure is WORD:
        yield from _of_word(parsed)
        return
    if expression.operator in ("==", "!="):
        yield parsed.operator_at, f"{expression.operator} compares words; a {measure} takes < <= > >="
    if value.word:
        meant = did_you_mean(value.word, [BASELINE])
        yield parsed.value_at, f"{metric} is a {measure}, and '{value.word}' is none{meant or _example(measure)}"
    elif value.quantity is not None:
        said = _misfit(measure, value.quantity, differs=value.baseline)
        if said:
            yield parsed.value_at, said


def _of_word(parsed: Parsed) -> Iterator[Complaint]:
    expression = parsed.expression
    metric, value = expression.metric, expression.value
    if expression.operator not in ("==", "!="):
        yield parsed.operator_at, f"{metric.name} is a word: compare it with == or !="
    if value.baseline and value.quantity:
        yield parsed.value_at, f"{metric.name} is a word: nothing can be added to it"
    elif value.baseline and metric.scope is Scope.KERNEL:
        yield parsed.value_at, f"a kernel's {metric.name} is in its name, and never differs: give a layer"
    elif value.quantity:
        yield (
            parsed.value_at,
            f"{metric.name} is a word, not {value.quantity}: one of {', '.join(words_of(metric.name))}",
        )
    elif value.word and value.word not in words_of(metric.name):
        words = words_of(metric.name)
        meant = did_you_mean(value.word, [*words, BASELINE]) or f": one of {', '.join(words)}"
        yield parsed.value_at, f"no {metric.name} '{value.word}'{meant}"


def _misfit(measure: Measure, quantity: Quantity, *, differs: bool) -> str:
    """Why a quantity is none of a measure; `differs`: it is added to the baseline, where % is relative."""
    unit = quantity.unit
    if measure is SHARE:
        if differs:
            return "" if unit in ("pp", "%") else f"{quantity} is no difference of shares{_example(measure, differs)}"
        if unit == "pp":
            return f"pp are points of difference: {BASELINE} - {quantity}, or an absolute {quantity.number}%"
        if unit not in ("%", ""):
            return f"{quantity} is a time, not a share{_example(measure)}"
        if unit == "" and fraction(quantity) >= 1:
            return f"a share is {quantity}% or less than 1"
        return f"no share is {quantity}: at most 100%" if fraction(quantity) > 1 else ""
    if measure is TIME:
        if unit in TIME_UNITS or (differs and unit == "%"):
            return ""
        if unit == "":
            return f"a time needs its unit{_example(measure, differs)}"
        return f"{quantity} is no {'difference of times' if differs else 'time'}{_example(measure, differs)}"
    if unit == "" and "." not in quantity.number:
        return ""
    return "" if differs and unit == "%" else f"{quantity} is no number of launches{_example(measure, differs)}"


def _example(measure: Measure, differs: bool = False) -> str:
    alone = {SHARE: "75%", TIME: "1.2ms", COUNT: "42"}[measure]
    more = {SHARE: "2pp", TIME: "5%", COUNT: "2"}[measure]
    return f": write {BASELINE} + {more}" if differs else f": write {alone} or {BASELINE} + {more}"
