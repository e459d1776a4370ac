"""Numbers of a condition as a person reads them; two that differ never read the same."""

from __future__ import annotations

from fractions import Fraction

from tcscope.model.check import Amount, Measure
from tcscope.wording import duration, percent


def amounts(measure: Measure, *values: Fraction) -> list[Amount]:
    """Each value with its text; digits are added until all that differ read differently."""
    for digits in range(1, 7):
        texts = [_text(measure, value, digits) for value in values]
        if len(set(texts)) == len(set(values)):
            break
    return [Amount(_number(measure, value), text) for value, text in zip(values, texts, strict=True)]


def _number(measure: Measure, value: Fraction) -> float:
    """A share as it is, a time in whole ns, a number of launches whole where it is."""
    if measure is Measure.TIME or (measure is Measure.COUNT and value.denominator == 1):
        return round(value)
    return float(value)


def _text(measure: Measure, value: Fraction, digits: int) -> str:
    if measure is Measure.COUNT:
        return f"{round(value):,}" if value.denominator == 1 else f"{float(value):,.{digits}f}"
    if measure is Measure.SHARE:
        return f"{percent(float(value))} %" if digits == 1 else f"{100 * float(value):.{digits}f} %"
    if digits == 1:
        return duration(float(value))
    return f"{float(value) / 1e3:,.{digits + 2}f} us"
