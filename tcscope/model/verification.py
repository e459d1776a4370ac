"""Verdicts held against hardware counters: one dataclass tree, field for field its JSON (`tcscope.verify/1`)."""

from __future__ import annotations

from dataclasses import dataclass

from tcscope.model.document import Document
from tcscope.model.report import TraceInfo
from tcscope.model.words import Evidence, Op, Precision, Unit, Word

VERIFY_SCHEMA = "tcscope.verify/1"


class Score(Word):
    """How a verdict compares with the counters.

    `right`: same unit, and no other precision. `wrong`: another unit, or another precision. `unknown`: the verdict left
    the unit open, and the counters tell it. `uncounted`: the counters at hand don't tell.
    """

    RIGHT = "right"
    WRONG = "wrong"
    UNKNOWN = "unknown"
    UNCOUNTED = "uncounted"


@dataclass(frozen=True, slots=True)
class CounterValue:
    """A counter above zero, summed over the counted launches."""

    metric: str
    value: float


@dataclass(frozen=True, slots=True)
class Truth:
    """What the counters say. `precisions` are the types that may have been multiplied: one where that is certain."""

    unit: Unit = Unit.UNKNOWN
    precisions: tuple[Precision, ...] = ()
    counters: tuple[CounterValue, ...] = ()
    launches: int = 0

    @property
    def precision(self) -> Precision:
        """The one type that was multiplied, `unknown` where there are several."""
        return self.precisions[0] if len(self.precisions) == 1 else Precision.UNKNOWN


@dataclass(frozen=True, slots=True)
class Checked:
    """One kernel of the trace: what was said of it, what the counters say, and how that compares. Times in ns.

    `sm` is the capability of its GPU. `note` says why a kernel is uncounted.
    """

    name: str
    outcome: Score
    launches: int
    ns: int
    sm: int | None
    unit: Unit
    precision: Precision
    op: Op
    rule: str | None
    evidence: Evidence
    truth: Truth
    note: str = ""


@dataclass(frozen=True, slots=True)
class ScoreSum:
    """The kernels of one outcome and their time; `share` is of all kernel time, 0..1."""

    outcome: Score
    kernels: int
    ns: int
    share: float


@dataclass(frozen=True, slots=True)
class Verification(Document):
    """Every kernel of a report held against a file of counters. Kernels are sorted by time, longest first.

    `tensor_share` is the part of the counted kernels' time that ran on Tensor Cores by the counters, `said_low` and
    `said_high` the bracket by the verdicts on the same kernels. `untraced` are counted kernels that the trace lacks.
    """

    trace: TraceInfo
    counters: str
    sums: tuple[ScoreSum, ...] = ()
    kernels: tuple[Checked, ...] = ()
    untraced: tuple[str, ...] = ()
    tensor_share: float | None = None
    said_low: float | None = None
    said_high: float | None = None
    schema: str = VERIFY_SCHEMA

    def of(self, outcome: Score) -> tuple[Checked, ...]:
        """The kernels of one outcome."""
        return tuple(kernel for kernel in self.kernels if kernel.outcome is outcome)
