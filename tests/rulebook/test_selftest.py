"""The rules' own proof: the built-in set holds, and a broken set fails with messages that teach."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tcscope.rulebook import RuleBook
from tcscope.rulebook.load import load_rules, rule_files
from tcscope.rulebook.selftest import failures


def test_the_built_in_rules_keep_every_promise_in_two_seconds() -> None:
    start = time.perf_counter()

    assert failures(RuleBook.builtin()) == []
    assert time.perf_counter() - start < 2


def test_there_are_few_rules_and_each_has_a_proof() -> None:
    rules = RuleBook.builtin().rules

    assert len(rules) < 150
    assert all(rule.examples and rule.counter_examples and rule.source for rule in rules)


RULES = """\
schema: tcscope.rules/1
about: Test rules.
rules:
  - id: wide
    title: Everything of mine
    match: {regex: '^my_'}
    unit: cuda_core
    precision: fp32
    op: gemm
    evidence: {level: named, source: 'test'}
    examples:
      - {name: 'my_kernel'}
    counter_examples:
      - {name: 'your_kernel', claimed_by: null}
  - id: narrow
    title: My Tensor Core kernels
    match: {regex: 'hmma'}
    unit: tensor_core
    precision: fp16
    op: conv
    evidence: {level: named, source: 'test'}
    examples:
      - {name: 'a_hmma_kernel', expect: {op: conv, precision: fp16}}
    counter_examples:
      - {name: 'my_imma_kernel', claimed_by: wide}
"""


def _failures(folder: Path, rules: str) -> list[str]:
    (folder / "mine.yaml").write_text(rules)
    book = RuleBook(*load_rules(rule_files([folder])))
    return [line.replace(f"{folder}/", "") for line in failures(book)]


def test_a_sound_set_has_no_failure(tmp_path: Path) -> None:
    assert _failures(tmp_path, RULES) == []


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        (
            "name: 'a_hmma_kernel'",
            "name: 'my_hmma_kernel'",
            "mine.yaml:23: example of 'narrow' is claimed by 'wide' (mine.yaml:4), which comes first: narrow that rule,"
            " or move 'narrow' before it: my_hmma_kernel",
        ),
        (
            "name: 'a_hmma_kernel'",
            "name: 'trt_volta_imma_kernel'",
            "mine.yaml:23: example of 'narrow' is not matched by its regex (it sees the name as 'volta_imma_kernel'):"
            " trt_volta_imma_kernel",
        ),
        (
            "name: 'my_kernel'",
            "name: 'a_hmma_kernel'",
            "mine.yaml:12: example of 'wide' is claimed by 'narrow' (mine.yaml:15), since its own regex does not match:"
            " a_hmma_kernel",
        ),
        (
            "expect: {op: conv,",
            "expect: {op: gemm,",
            "mine.yaml:23: example of 'narrow' has op conv, expected gemm: a_hmma_kernel",
        ),
        (
            "expect: {op: conv,",
            "expect: {accumulate: fp32,",
            "mine.yaml:23: example of 'narrow' has accumulate null, expected fp32: a_hmma_kernel",
        ),
        (
            "'your_kernel', claimed_by: null",
            "'a_hmma_kernel', claimed_by: null",
            "mine.yaml:14: counter-example of 'wide' is claimed by 'narrow', expected nobody: a_hmma_kernel",
        ),
        (
            "'my_imma_kernel', claimed_by: wide",
            "'an_imma_kernel', claimed_by: wide",
            "mine.yaml:25: counter-example of 'narrow' is claimed by nobody, expected 'wide': an_imma_kernel",
        ),
        (
            "'my_imma_kernel', claimed_by: wide",
            "'an_hmma_kernel', claimed_by: narrow",
            "mine.yaml:25: a counter-example of 'narrow' can't be claimed by it",
        ),
        (
            "    examples:\n      - {name: 'my_kernel'}\n",
            "",
            "mine.yaml:4: rule 'wide' has no example of a name it claims",
        ),
        (
            "    counter_examples:\n      - {name: 'my_imma_kernel', claimed_by: wide}\n",
            "",
            "mine.yaml:15: rule 'narrow' has no counter-example (a near miss it must not claim)",
        ),
    ],
)
def test_a_broken_promise_says_who_took_the_name_and_why(tmp_path: Path, old: str, new: str, says: str) -> None:
    assert RULES.count(old) == 1

    assert says in _failures(tmp_path, RULES.replace(old, new))
