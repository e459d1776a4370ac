"""Names from libraries that no rule was first written on, and what is known of their code: where rules could be wrong.

unseen.csv says in `known` how: `sass` - a matrix instruction was seen, or not, in the machine code of the public wheel
named; `ptx` - the same in its PTX; `source` - the library's public source. What a name can't tell must stay `unknown`.
"""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from tcscope.rulebook import RuleBook

BOOK = RuleBook.builtin()
UNSEEN = list(csv.DictReader(Path(__file__).with_name("unseen.csv").read_text(encoding="utf-8").splitlines()))


@pytest.mark.parametrize("row", UNSEEN, ids=lambda row: row["name"][:60])
def test_the_rules_hold_beyond_the_sample(row: dict[str, str]) -> None:
    verdict = BOOK.classify(row["name"], int(row["sm"]))
    assert verdict.unit == row["unit"], f"{verdict.rule} says {verdict.unit}; {row['known']}"
    if row["precision"]:
        assert verdict.precision == row["precision"], f"{verdict.rule} says {verdict.precision}; {row['known']}"


def test_a_gpu_without_tensor_cores_runs_none_of_them_there() -> None:
    assert {str(BOOK.classify(row["name"], 61).unit) for row in UNSEEN} == {"cuda_core"}
