"""What is known of a kernel, and how."""

from __future__ import annotations

from dataclasses import dataclass, field

from tcscope.model.words import Accumulate, Dtype, Evidence, Op, Precision, Unit


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is known of a kernel, and how.

    `rule` is the id of the rule that decided (None: no rule, or none could), `evidence` its level and `source` where a
    reader can check it. `src` and `dst` give a reformat's direction. `note` says why a verdict is less than the rule's.
    """

    unit: Unit = Unit.UNKNOWN
    precision: Precision = Precision.UNKNOWN
    accumulate: Accumulate | None = None
    op: Op = Op.UNKNOWN
    rule: str | None = None
    evidence: Evidence = Evidence.NONE
    source: str = ""
    src: Dtype | None = None
    dst: Dtype | None = None
    note: str = field(default="", compare=False)
