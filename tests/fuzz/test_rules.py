"""Rule files: random YAML, YAML that grows when it is read, regexes that never end; and kernel names of any kind."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from tests.fuzz.hold import effort, held
from tests.fuzz.test_sqlite import SPOKEN
from tests.support.places import INT8

GOOD = """\
schema: tcscope.rules/1
about: a rule
rules:
  - id: mine
    title: t
    match: {against: demangled, regex: '(?P<kind>int8|fp16)_mine'}
    unit: tensor_core
    precision: $kind
    op: gemm
    arch: {min: 70}
    evidence: {level: named, source: s}
    examples: [{name: 'int8_mine', expect: {precision: int8}}]
    counter_examples: [{name: 'mine', claimed_by: null}]
"""
TOKENS = """\
schema: tcscope.tokens/1
about: tokens
tables: {precision: {int8: int8}}
glossary: [{token: '(\\d+)x(\\d+)', means: 'a tile of \\1 by \\2'}]
cues: ['int8']
"""
PIECES = st.sampled_from(
    [
        *(
            "&a ",
            "*a",
            "!!python/object/apply:os.system ['true']",
            "!!binary ",
            "? ",
            "- ",
            ": ",
            "{",
            "}",
            "[",
            "]",
            "'",
        ),
        *('"', "|\n", ">\n", "%YAML 9.9\n", "---\n", "...\n", "<<: *a", "\t", "\x00", "\x1b[31m", "\ufeff", "null"),
        *("~", "16816", "on", "(a+)+", "(?P<x>", "\\1", "$kind", "$", "a{99999999999}", "\U0001f600", "\u202e", "\r"),
        *("!!set ", "1e999"),
    ]
)


@effort(12)
@given(text=st.sampled_from([GOOD, TOKENS]), data=st.data())
def test_rule_files_with_other_text(text: str, data: st.DataObject, tmp_path_factory: pytest.TempPathFactory) -> None:
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(text)))
        piece = data.draw(st.one_of(PIECES, st.text(max_size=5)))
        text = text[:at] + piece + text[at + data.draw(st.integers(0, 12)) :]
    path = tmp_path_factory.mktemp("rules") / "mine.yaml"
    path.write_text(text, encoding="utf-8", errors="replace")
    held("rules", "test", path, folder=path.parent, codes=(0, 1, 2))
    held("explain", "int8_mine", "--rules", path, folder=path.parent, codes=(0, 2))


ANY = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=6), inner, max_size=3)),
    max_leaves=8,
)


@effort(12)
@given(data=st.data())
def test_rules_of_another_shape(data: st.DataObject, tmp_path_factory: pytest.TempPathFactory) -> None:
    whole = yaml.safe_load(data.draw(st.sampled_from([GOOD, TOKENS])))
    rule = whole["rules"][0] if "rules" in whole else whole
    for _ in range(data.draw(st.integers(1, 3))):
        rule[data.draw(st.sampled_from([*rule, "extra"]))] = data.draw(ANY)
    path = tmp_path_factory.mktemp("shape") / "mine.yaml"
    path.write_text(yaml.safe_dump(whole), encoding="utf-8")
    held("rules", "test", path, folder=path.parent, codes=(0, 1, 2))


@effort(8)
@given(raw=st.binary(max_size=200))
def test_bytes_that_are_no_rules(raw: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("bytes") / "mine.yaml"
    path.write_bytes(raw)
    held("rules", "test", path, folder=path.parent, codes=(2,))


BOMB = "schema: tcscope.rules/1\nabout: x\na: &a [x, x]\n" + "".join(
    f"{after}: &{after} [*{before}, *{before}, *{before}, *{before}, *{before}, *{before}, *{before}, *{before}]\n"
    for before, after in zip("abcdefghijklmnop", "bcdefghijklmnopq", strict=True)
)
LARGE = {
    "aliases": BOMB + "rules: *q\n",
    "itself": "schema: tcscope.rules/1\nabout: x\nrules: &a [*a, *a]\n",
    "itself in a mapping": "&a\nschema: tcscope.rules/1\nabout: x\nrules: [*a]\n",
    "deep lists": "schema: " + "[" * 50_000,
    "deep mappings": "{a: " * 50_000,
    "deep blocks": "".join(" " * depth + "a:\n" for depth in range(2_000)),
    "many keys": "schema: tcscope.rules/1\n" + "".join(f"k{number}: 1\n" for number in range(20_000)),
    "a long regex": GOOD.replace("_mine'", "_mine" + "(a|b)" * 4_000 + "'"),
    "a deep regex": GOOD.replace("_mine'", "_mine" + "(" * 5_000 + ")" * 5_000 + "'"),
    "a count": GOOD.replace("_mine'", "_mine(?:a{1,65000}){1,65000}'"),
}


@pytest.mark.parametrize("what", LARGE)
def test_yaml_that_grows_when_it_is_read(what: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(LARGE[what], encoding="utf-8")
    held("rules", "test", path, folder=tmp_path, codes=(0, 1, 2))
    held("analyze", INT8, "--rules", path, folder=tmp_path, codes=(0, 2))


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "in" / "mine.yaml"
    path.parent.mkdir()
    with path.open("wb") as file:
        file.truncate(2_000_000_000)  # a hole: it takes no room on the disk
    (tmp_path / "empty").mkdir()
    assert "is larger than 10 MB" in held("rules", "test", path, folder=tmp_path / "empty", codes=(2,)).err


EXPONENTIAL = [
    "(a+)+$",
    "(a|a)*b",
    "(?:a|aa)+$",
    "(.*,)*x",
    r"(\w+\s?)*!",
    "((ab)*c?)*d",
    "(?:a?a?)*b",
    "(a{1,900}){1,900}b",
]
SOUND = ["a+b+", "(ab)*", "(a|b)*c", ".*a.*b", r"(\w+,)*x", "(?:[a-z]+_)+x", "([a-c]|[c-e])+f", r"(?:\d{1,3}\.){3}x"]


class TestRegexes:
    def rule(self, regex: str, folder: Path) -> Path:
        path = folder / "mine.yaml"
        path.write_text(GOOD.replace("(?P<kind>int8|fp16)_mine", regex).replace("$kind", "int8"), encoding="utf-8")
        return path

    @pytest.mark.parametrize("regex", EXPONENTIAL)
    def test_the_rules_test_rejects_what_can_take_exponential_time(self, regex: str, tmp_path: Path) -> None:
        said = held("rules", "test", self.rule(regex, tmp_path), folder=tmp_path, codes=(1,))
        assert f"{tmp_path / 'mine.yaml'}:4: the regex of 'mine' can take exponential time" in said.out

    @pytest.mark.parametrize("regex", SOUND)
    def test_it_takes_what_can_not(self, regex: str, tmp_path: Path) -> None:
        said = held("rules", "test", self.rule(regex, tmp_path), folder=tmp_path, codes=(0, 1))
        assert "exponential" not in said.out

    def test_a_search_that_takes_too_long_is_given_up(self, tmp_path: Path) -> None:
        path = self.rule(r"(\w+\s?)*$", tmp_path)
        begun = time.monotonic()
        said = held("explain", "a" * 5_000 + "?", "--rules", path, folder=tmp_path, codes=(2,))
        assert time.monotonic() - begun < 15
        assert said.err.startswith(f"error: {path}:4: regex took more than 1 s on the name 'aaaa")

    def test_so_is_that_of_a_token(self, tmp_path: Path) -> None:
        path = tmp_path / "tokens.yaml"
        path.write_text(TOKENS.replace("(\\d+)x(\\d+)", r"(\w+\s?)*$").replace("a tile of \\1 by \\2", "x"))
        name = "a" * 5_000 + "?"
        assert "regex took more than 1 s" in held("explain", name, "--rules", path, folder=tmp_path, codes=(2,)).err

    def test_a_meaning_that_names_a_group_its_token_lacks(self, tmp_path: Path) -> None:
        path = tmp_path / "tokens.yaml"
        path.write_text(TOKENS.replace("(\\d+)x", "\\d+x"))
        assert "tokens.yaml:4: 'means:' does not fit" in held("explain", "x", "--rules", path, folder=tmp_path).err


@effort(30)
@given(names=st.lists(st.one_of(SPOKEN, st.text(max_size=40)), max_size=8), form=st.sampled_from(["text", "json"]))
def test_names_of_any_kind(names: list[str], form: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    raw = "\n".join(names).encode("utf-8", "replace")
    said = held("explain", "--format", form, "-", folder=tmp_path_factory.mktemp("names"), stdin=raw, codes=(0,))
    if form == "json":
        assert said.out.count("\n") == len(raw.split(b"\n")) - raw.endswith(b"\n") - (not raw)


@effort(12)
@given(raw=st.binary(max_size=300), form=st.sampled_from(["text", "json"]))
def test_names_that_are_no_text(raw: bytes, form: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    held("explain", "--format", form, "-", folder=tmp_path_factory.mktemp("raw"), stdin=raw, codes=(0,))


LONG = {
    "brackets": "void f<" * 5_000 + ">" * 5_000 + "()",
    "parens": "f" + "(" * 50_000 + ")" * 50_000,
    "one word": "a" * 1_000_000,
    "underscores": "_" * 300_000,
    "casts": "(int)" * 20_000 + "1",
    "clones": "f" + " [clone .kd" * 200_000,
    "lambdas": "[lambda(" * 20_000,
    "digits": "1" * 100_000 + "ull",
    "returns": "std::enable_if<" + "a" * 200_000,
    "blanks": " " * 300_000 + "x",
    "closing": "x" + " >" * 50_000,
}


@pytest.mark.parametrize("what", LONG)
def test_long_names(what: str, tmp_path: Path) -> None:
    begun = time.monotonic()
    held("explain", "--format", "json", "-", folder=tmp_path, stdin=LONG[what].encode(), codes=(0,))
    assert time.monotonic() - begun < 15
