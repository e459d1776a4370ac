"""What every kernel of the sample is judged to be: a change of a rule shows here which verdicts it moved."""

from __future__ import annotations

import csv
import io

from tcscope.rulebook import RuleBook
from tests.accuracy.score import SAMPLE, read
from tests.conftest import Golden

_NAME_WIDTH = 140


def test_every_verdict_is_the_one_that_was_read(golden: Golden) -> None:
    book = RuleBook.builtin()
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["rule", "unit", "precision", "op", "sm", "name"])
    for truth in read(SAMPLE):
        verdict = book.classify(truth.name, truth.sm)
        writer.writerow([verdict.rule or "-", verdict.unit, verdict.precision, verdict.op, truth.sm, _cut(truth.name)])
    golden("names.csv", out.getvalue())


def _cut(name: str) -> str:
    """A name short enough to read in a diff; the row stands where the sample has it."""
    half = (_NAME_WIDTH - 3) // 2
    return name if len(name) <= _NAME_WIDTH else f"{name[:half]}...{name[-half:]}"
