"""The loader's complaints: each with file and line, all of them at once, each with what would be right."""

from __future__ import annotations

from pathlib import Path

import pytest

from tcscope.errors import ConfigError, UsageError
from tcscope.rulebook.load import load_rules, rule_files

GOOD = """\
schema: tcscope.rules/1
about: Test rules.
rules:
  - id: my-rule
    title: My kernel
    match: {regex: '^my_(?P<type>f16|f32)_kernel'}
    unit: tensor_core
    precision: $type
    op: gemm
    evidence: {level: named, source: 'f16 in the name'}
    examples:
      - {name: 'my_f16_kernel'}
    counter_examples:
      - {name: 'your_f16_kernel', claimed_by: null}
"""
TOKENS = """\
schema: tcscope.tokens/1
about: Test tokens.
tables:
  precision: {f16: fp16, f32: fp32}
  op: {mm: gemm}
"""

# What is changed in GOOD, and the complaint: its line, and what it says.
BROKEN = [
    ("schema: tcscope.rules/1", "schema: tcscope.rule/1", 1, "'schema: tcscope.rule/1' is not known"),
    ("schema: tcscope.rules/1\n", "", 1, "'schema:' is missing; a rule file begins with 'schema: tcscope.rules/1'"),
    ("about: Test rules.\n", "", 1, "'about:' is missing"),
    ("id: my-rule", "id: My_Rule", 4, "id 'My_Rule' must be kebab-case"),
    ("    title: My kernel\n", "", 4, "'title:' is missing"),
    ("    title:", "    titel: x\n    title:", 5, "unknown key 'titel', did you mean 'title'?"),
    ("    title: My kernel", "    title: My kernel\n    title: Twice", 6, "key 'title' is given twice"),
    ("    title: My kernel", "    title: 16816", 5, "'title: 16816' is no text in YAML; put it in quotes"),
    ("    title:", "    on: x\n    title:", 5, "key on is no plain text in YAML; put it in quotes"),
    ("    title:", "    1: x\n    title:", 5, "key 1 is no plain text in YAML; put it in quotes"),
    ("f32)_kernel'", "f32_kernel'", 6, "regex does not compile: missing ), unterminated subpattern"),
    ("match: {regex:", "match: {against: name, regex:", 6, "'against: name' is none of demangled, short, mangled"),
    ("match: {regex: '^my_(?P<type>f16|f32)_kernel'}", "match: my_kernel", 6, "'match:' must be a mapping with"),
    ("unit: tensor_core", "unit: tensor_cores", 7, "'tensor_cores' is no unit, did you mean 'tensor_core'?"),
    ("precision: $type", "precision: fp61", 8, "'fp61' is no precision, did you mean"),
    ("precision: $type", "precision: $typ", 8, "the regex has no group (?P<typ>...), did you mean 'type'?"),
    ("precision: $type", "precision: $type:precision-x", 8, "no token table 'precision-x', did you mean 'precision'?"),
    ("precision: $type", "precision: $type:op", 8, "token table 'op' does not give a precision"),
    ("precision: $type", "precision: '$type!'", 8, "'$type!' must read $group or $group:table"),
    ("precision: $type", "precision: fp16", 6, "group (?P<type>...) is used by no field"),
    ("    op: gemm\n", "", 4, "'op:' is missing"),
    ("op: gemm", "op: gem", 9, "'gem' is no op, did you mean 'gemm'?"),
    ("level: named", "level: name", 10, "'name' is no evidence, did you mean 'named'?"),
    ("    evidence: {level: named, source: 'f16 in the name'}\n", "", 4, "'evidence:' is missing"),
    (", source: 'f16 in the name'", "", 10, "'source:' is missing"),
    ("    op: gemm", "    op: gemm\n    arch: {min: '80'}", 10, "'min:' must be a whole number"),
    ("    op: gemm", "    op: gemm\n    arch: {minimum: 80}", 10, "unknown key 'minimum', did you mean 'min'?"),
    (", claimed_by: null", "", 14, "'claimed_by:' is missing (a rule's id, or null: nobody)"),
    ("- {name: 'my_f16_kernel'}", "- my_f16_kernel", 12, "each entry of 'examples:' must be a mapping with name"),
    ("examples:\n      - {name: 'my_f16_kernel'}", "examples: my_f16_kernel", 11, "'examples:' must be a list"),
    ("unit: tensor_core", "unit: [tensor_core", 8, "not YAML:"),
]


def _load(folder: Path, rules: str, tokens: str = TOKENS) -> list[str]:
    """The complaints about a rule file, without its folder."""
    (folder / "mine.yaml").write_text(rules)
    (folder / "tokens.yaml").write_text(tokens)
    try:
        load_rules(rule_files([folder]))
    except ConfigError as error:
        return [problem.replace(f"{folder}/", "") for problem in error.problems]
    return []


def test_a_good_file_loads(tmp_path: Path) -> None:
    assert _load(tmp_path, GOOD) == []


@pytest.mark.parametrize(("old", "new", "line", "says"), BROKEN, ids=[says[:40] for *_, says in BROKEN])
def test_each_mistake_is_told_with_file_line_and_remedy(
    tmp_path: Path, old: str, new: str, line: int, says: str
) -> None:
    assert GOOD.count(old) == 1

    found = _load(tmp_path, GOOD.replace(old, new))

    assert any(problem.startswith(f"mine.yaml:{line}: ") and says in problem for problem in found), found


def test_every_mistake_of_every_file_is_told_at_once(tmp_path: Path) -> None:
    (tmp_path / "also.yaml").write_text(GOOD.replace("my-rule", "other").replace("op: gemm", "op: gem"))

    found = _load(tmp_path, GOOD.replace("unit: tensor_core", "unit: x").replace("level: named", "level: x"))

    assert [problem.split(" ")[0] for problem in found] == ["also.yaml:9:", "mine.yaml:10:", "mine.yaml:7:"]


def test_an_id_is_used_once(tmp_path: Path) -> None:
    (tmp_path / "also.yaml").write_text(GOOD)

    assert any(
        problem.startswith("mine.yaml:4: id 'my-rule' is taken by") and problem.endswith("also.yaml:4")
        for problem in _load(tmp_path, GOOD)
    )


@pytest.mark.parametrize(
    ("tokens", "says"),
    [
        ("tables: {colour: {red: fp16}}", "tokens.yaml:3: a table is a mapping named precision"),
        ("tables: {precision: {f16: fp61}}", "tokens.yaml:3: 'fp61' is no precision: fp64"),
        ("tables: {precision: {16: fp16}}", "tokens.yaml:3: 'token: 16' is no text in YAML; put it in quotes"),
        ("tables: {precision: {f16: fp16, 'f16': fp32}}", "tokens.yaml:3: token 'f16' is given twice"),
        ("glossary: [{token: '(', means: 'x'}]", "tokens.yaml:3: token is no regex: missing )"),
    ],
)
def test_a_wrong_token_table_is_told_too(tmp_path: Path, tokens: str, says: str) -> None:
    found = _load(tmp_path, GOOD, "schema: tcscope.tokens/1\nabout: Test tokens.\n" + tokens)

    assert any(problem.startswith(says) for problem in found), found


def test_what_is_no_rule_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no \*\.yaml file in"):
        rule_files([tmp_path])
    with pytest.raises(UsageError, match="no such rule file"):
        rule_files([tmp_path / "absent.yaml"])

    assert _load(tmp_path, "just text") == ["mine.yaml:1: a mapping is expected at the top (schema:, about:, ...)"]
    (tmp_path / "mine.yaml").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match=r"mine\.yaml:1: not UTF-8 text"):
        load_rules([tmp_path / "mine.yaml"])
