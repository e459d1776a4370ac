"""How much the kernel time of two recordings may differ by chance, from the instances of their ranges.

The spread of the instances is taken as 1.4826 times their median absolute deviation, which is the standard deviation of
a normal distribution and doesn't follow a slow first instance (P. J. Rousseeuw, C. Croux: Alternatives to the Median
Absolute Deviation, JASA 88, 1993). The standard error of a median of n is 1.2533 spread / sqrt(n) (M. G. Kendall, A.
Stuart: The Advanced Theory of Statistics, vol. 1). What two medians may differ by chance is three times the root of the
sum of the squares of both. Of a part of the kernel time, with the share p of it, the noise is that of the whole times
sqrt(p), as of launches that vary independently. What differs between two runs as a whole, such as clocks, is not in it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from statistics import median

from tcscope.analysis.budget.grammar import Metric
from tcscope.model import Iterations, Report

FEWEST = 5  # instances without which there is no spread to speak of
_TIMES = 3


@dataclass(frozen=True, slots=True)
class Noise:
    """What a time may differ from the baseline's by chance, and what the medians of the instances differ by, in ns.

    `base_ns` and `now_ns`, in the measure of the metric, are None where only a part of an instance is measured.
    """

    ns: int
    base_ns: float | None = None
    now_ns: float | None = None


def noise(metric: Metric, base: Report, new: Report, before: Fraction, now: Fraction) -> Noise | None:
    """The noise of a time metric; None where a side has too few instances."""
    old, found = base.iterations, new.iterations
    if old is None or found is None:
        return None
    spread = [_error(side) for side in (old, found)]
    if spread[0] is None or spread[1] is None:
        return None
    an_instance = _TIMES * math.hypot(spread[0], spread[1])
    per_range = metric.name == "kernel_time_per_range"
    number = 1 if per_range else found.count
    whole = [Fraction(side.kernel_ns, side.count) * number for side in (old, found)]
    if (before, now) == tuple(whole):
        times = [median(each.kernel_ns for each in side.instances) * number for side in (old, found)]
        return Noise(math.ceil(an_instance * number), *times)
    part = max(float(value / all_of) for value, all_of in zip((before, now), whole, strict=True))
    return Noise(math.ceil(an_instance * number * math.sqrt(part)))


def _error(side: Iterations) -> float | None:
    """The standard error of the median instance's kernel time, in ns."""
    times = [instance.kernel_ns for instance in side.instances]
    if len(times) < FEWEST or not any(times) or not side.kernel_ns:
        return None
    middle = median(times)
    spread = 1.4826 * median(abs(time - middle) for time in times)
    return 1.2533 * spread / math.sqrt(len(times))
