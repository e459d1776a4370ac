"""The rules are as right as the machine code, on the committed sample and, where it is at hand, on the whole truth."""

from __future__ import annotations

import pytest

from tcscope.rulebook import RuleBook
from tests.accuracy import measure
from tests.accuracy.score import COUNTERS, REPOSITORY, SAMPLE, Score, Truth, read, score

WHOLE = REPOSITORY.parent / "shared" / "truth" / "names_sass_dev.csv.xz"
README = REPOSITORY / "README.md"


@pytest.fixture(scope="module")
def sample() -> list[Truth]:
    return read(SAMPLE)


def right_enough(result: Score) -> None:
    told = "\n".join(result.wrong[:20])
    assert result.wrong_units <= 0.002 * result.kernels, told
    assert result.false_claims <= 10 / 14_500 * result.kernels + 1, told
    assert result.unknown <= 0.03 * result.kernels
    assert result.precision["right"] >= 0.99 * result.precision.total(), told


def test_the_sample_is_judged_right(sample: list[Truth]) -> None:
    right_enough(score(RuleBook.builtin(), sample))


def test_every_kernel_with_hardware_counters_is_judged_right(sample: list[Truth]) -> None:
    counted = [truth for truth in sample if truth.source == COUNTERS]
    result = score(RuleBook.builtin(), counted)

    assert len(counted) == 47
    assert (result.right, result.wrong) == (47, [])
    assert result.precision["right"] == result.precision.total()


@pytest.mark.skipif(not WHOLE.exists(), reason="the whole truth is not at hand")
def test_the_whole_truth_is_judged_right() -> None:
    right_enough(score(RuleBook.builtin(), read(WHOLE)))


def test_the_sample_holds_every_architecture_and_unit(sample: list[Truth]) -> None:
    assert len(sample) == 2500
    assert {53, 70, 75, 80, 86, 87, 89, 90, 100, 103, 110, 120} <= {truth.sm for truth in sample}


def test_no_public_list_is_nearer_to_the_truth(sample: list[Truth]) -> None:
    _, _, *rows = measure.table(sample).splitlines()

    assert "**tcscope**" in rows[0]
    assert len(rows) == 5


def test_the_readme_shows_the_table_of_today(sample: list[Truth]) -> None:
    text = README.read_text(encoding="utf-8") if README.exists() else ""
    if measure.START not in text:
        pytest.skip("README.md has no place for the table")
    made = measure.put_into(text, measure.table(sample))

    assert made == text, "python -m tests.accuracy.measure --write README.md"
