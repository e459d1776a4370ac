"""What the recommended mix is to reach: a share of the loss, a loss, or a time."""

from __future__ import annotations

import math
import re
from dataclasses import replace

from tcscope.errors import UsageError
from tcscope.model import Diff
from tcscope.model.advise import Aim, Goal
from tcscope.model.sensitivity import Sensitivity

RECOVERED = 0.8  # of what INT8 loses, where nothing else is asked for
_LOSS = re.compile(r"(\d+(?:\.\d*)?|\.\d+)\s*(%|dB)?", re.IGNORECASE)


def goal_of(max_loss: str | None, max_slower: str | None, sensitivity: Sensitivity) -> Goal:
    """The goal as it was typed. Raises UsageError."""
    if max_loss is not None:
        return Goal(Aim.MAX_LOSS, _loss(max_loss, sensitivity), max_loss)
    if max_slower is not None:
        match = _LOSS.fullmatch(max_slower.strip())
        if match is None or match[2] != "%":
            raise UsageError(f"--max-slower {max_slower} is no percentage", "--max-slower 2%")
        return Goal(Aim.MAX_SLOWER, float(match[1]) / 100, max_slower)
    return Goal(Aim.RECOVER, RECOVERED)


def limit(goal: Goal, sensitivity: Sensitivity, diff: Diff) -> Goal:
    """The goal in the numbers of a choice: of `max-slower` the ns that it may take more than NEW."""
    if goal.aim is Aim.MAX_SLOWER:
        return replace(goal, value=goal.value * diff.totals.new.kernel_ns)
    return goal


def _loss(text: str, sensitivity: Sensitivity) -> float:
    """A loss by the metric of the sensitivity.

    Of `sqnr`, whose loss is noise over signal: `1%` of the signal's power, or `1dB` that signal and noise are above the
    signal alone. Of any other metric its own unit, with `%` the share of FP32's value.
    """
    match = _LOSS.fullmatch(text.strip())
    if match is None:
        raise UsageError(
            f"--max-loss {text} is no loss", "--max-loss 1dB, --max-loss 0.5%, or a number in the metric's unit"
        )
    number, unit = float(match[1]), (match[2] or "").lower()
    if sensitivity.metric.name == "sqnr":
        if not unit:
            raise UsageError(f"--max-loss {text} has no unit", f"--max-loss {text}dB, or --max-loss {text}%")
        return number / 100 if unit == "%" else math.pow(10, number / 10) - 1
    if unit != "%":
        return number
    if sensitivity.fp32 is None:
        raise UsageError(
            f"--max-loss {text} is a share of FP32's {sensitivity.metric.name}, which isn't known", "--max-loss 0.01"
        )
    return number / 100 * abs(sensitivity.fp32)
