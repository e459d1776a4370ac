"""Verdicts held against the truth: kernels whose machine code, or hardware counters, tell what they really issue."""

from __future__ import annotations

import csv
import io
import lzma
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from tcscope.model import Precision, Unit
from tcscope.rulebook import RuleBook

REPOSITORY = Path(__file__).resolve().parents[2]
SAMPLE = REPOSITORY / "fixtures" / "names_truth.csv"
COUNTERS = "hardware counters"


@dataclass(frozen=True)
class Truth:
    """A kernel as it is. `precisions`: any of these is right; empty where the truth doesn't tell."""

    name: str
    sm: int
    unit: Unit
    precisions: frozenset[str]
    source: str


@dataclass
class Score:
    """What a judge got right. Precision counts Tensor Core kernels whose unit is right and whose precision is known."""

    kernels: int = 0
    right: int = 0
    unknown: int = 0
    false_claims: int = 0
    missed: int = 0
    precision: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)

    def add(self, truth: Truth, unit: Unit, precision: Precision, rule: str | None = None) -> None:
        """Count one verdict."""
        self.kernels += 1
        if unit is Unit.UNKNOWN:
            self.unknown += 1
        elif unit is truth.unit:
            self.right += 1
        else:
            self.false_claims += unit is Unit.TENSOR_CORE
            self.missed += unit is Unit.CUDA_CORE
            self.wrong.append(f"sm_{truth.sm} is {truth.unit}, said {unit} by {rule}: {truth.name}")
        if unit is truth.unit is Unit.TENSOR_CORE and truth.precisions:
            right = "right" if precision in truth.precisions else "wrong"
            said = "unknown" if precision is Precision.UNKNOWN else right
            self.precision[said] += 1
            if said == "wrong":
                self.wrong.append(f"sm_{truth.sm} is {set(truth.precisions)}, said {precision} by {rule}: {truth.name}")

    @property
    def wrong_units(self) -> int:
        """Kernels called the other unit."""
        return self.false_claims + self.missed


def read(path: Path) -> list[Truth]:
    """The kernels of a truth file (`name, sm, unit, precision`, perhaps `source`), xz or plain."""
    data = path.read_bytes()
    text = (lzma.decompress(data) if path.suffix == ".xz" else data).decode()
    return [
        Truth(row["name"], int(row["sm"]), Unit(row["unit"]), _precisions(row["precision"]), row.get("source", ""))
        for row in csv.DictReader(io.StringIO(text))
    ]


def score(book: RuleBook, truths: Iterable[Truth]) -> Score:
    """How right the rulebook is."""
    result = Score()
    for truth in truths:
        verdict = book.classify(truth.name, truth.sm)
        result.add(truth, verdict.unit, verdict.precision, verdict.rule)
    return result


def _precisions(text: str) -> frozenset[str]:
    """`a/b` and `a|b`: any of these; a kernel that mixes types (`|`) may be called mixed."""
    words = {word for part in text.split("|") for word in part.replace("fp8/6/4", "fp8/fp6/fp4").split("/")} - {""}
    return frozenset(words | ({"mixed"} if "|" in text else set()))
