"""The kernels that no rule can judge."""

from __future__ import annotations

from pathlib import Path

import pytest

from tcscope.analysis import coverage
from tcscope.errors import UsageError
from tcscope.model import Op
from tcscope.rulebook import RuleBook
from tests.accuracy.score import REPOSITORY

TRACE = REPOSITORY / "fixtures" / "h100_trt86_resnet18s_int8.sqlite"


@pytest.fixture(scope="module")
def book() -> RuleBook:
    return RuleBook.builtin()


def test_names_are_counted_and_the_most_frequent_comes_first(book: RuleBook) -> None:
    # GIVEN two names without a rule, one of them on two lines, and one with a rule
    lines = ["mine_a", "mine_b", "", "mine_b  ", "triton_poi_fused_add_0"]

    # WHEN
    found = coverage.of_names(lines, book)

    # THEN
    assert [(gap.name, gap.launches, gap.ns) for gap in found.gaps] == [("mine_b", 2, None), ("mine_a", 1, None)]
    assert (found.kernels, found.launches) == (3, 4)
    assert found.share == 0.75


def test_a_rule_that_leaves_the_unit_open_is_a_gap_and_says_why(book: RuleBook) -> None:
    (gap,) = coverage.of_names(["my_project::fused_gemm_of_my_own<float>"], book).gaps

    assert (gap.rule, gap.op) == ("matrix-word", Op.GEMM)


def test_a_trace_is_measured_in_time(book: RuleBook) -> None:
    found = coverage.coverage(TRACE, book)

    assert found.ns is not None
    assert found.ns > 0
    assert found.gaps == ()
    assert found.share == 0.0


def test_a_user_s_rule_closes_a_gap(tmp_path: Path) -> None:
    rule = tmp_path / "mine.yaml"
    rule.write_text(
        "schema: tcscope.rules/1\nabout: mine\nrules:\n"
        "  - {id: mine, title: t, match: {regex: '^mine_'}, unit: cuda_core, op: other,"
        " evidence: {level: documented, source: s}}\n"
    )

    assert coverage.of_names(["mine_a"], RuleBook.load([rule])).gaps == ()


def test_a_text_file_is_a_list_of_names(book: RuleBook, tmp_path: Path) -> None:
    names = tmp_path / "names.txt"
    names.write_text("mine_a\nvoid mine_b<3>(int)\n")

    assert [gap.name for gap in coverage.coverage(names, book).gaps] == ["mine_a", "void mine_b<3>(int)"]


def test_what_is_neither_trace_nor_text_is_refused(book: RuleBook, tmp_path: Path) -> None:
    binary = tmp_path / "names.bin"
    binary.write_bytes(b"\x7fELF\x00\x00")

    with pytest.raises(UsageError, match="neither a trace nor a list of names"):
        coverage.coverage(binary, book)
    with pytest.raises(UsageError, match="can't read"):
        coverage.coverage(tmp_path / "absent", book)


def test_one_family_holds_the_kernels_that_differ_in_numbers_and_types(book: RuleBook) -> None:
    # GIVEN
    names = [
        "void ns::tileKernel_64<float>(int)",
        "void ns::tileKernel_128<double>(int)",
        "__mine_Foo_0x7d5a",
        "__mine_Foo_0x81",
        "odd(name",
    ]

    # WHEN
    made = coverage.families(coverage.of_names(names, book).gaps)

    # THEN
    assert {family.id: (family.pattern, len(family.gaps)) for family in made} == {
        "my-tile": (r"^ns::tileKernel_\d+<", 2),
        "my-mine-foo": ("^__mine_Foo_0x[0-9a-f]+$", 2),
        "my-odd-name": (r"^odd\(name$", 1),
    }


def test_families_of_one_word_get_different_ids(book: RuleBook) -> None:
    made = coverage.families(coverage.of_names(["a::tile<1>", "b::tile<1>"], book).gaps)

    assert [family.id for family in made] == ["my-tile", "my-tile-2"]
