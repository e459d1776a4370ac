"""The prefilter: what it lets a rule skip must never be what the rule's regex matches."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tcscope.rulebook import RuleBook, canonical
from tcscope.rulebook.literals import required_literals

BOOK = RuleBook.builtin()


@pytest.mark.parametrize(
    ("regex", "literals"),
    [
        ("h884cudnn_", ("h884cudnn_",)),
        ("(?<![a-z])h884(?:cudnn|gemm)_", ("h884",)),
        ("(?:hcudnn|icudnn)_", ("hcudnn", "icudnn")),
        ("a+b{2}", ("a",)),
        ("(?:abc)?xy", ("xy",)),
        ("(?:abc|x)?y", ("y",)),
        ("(?=.*needle)x", ("needle",)),
        ("(?!needle)x", ("x",)),
        ("(?:abc|de)", ("abc", "de")),
        ("(?:abc|)", ()),
        ("[ab]c*", ()),
        ("(?i:abc)", ()),
        ("(?i)abc", ()),
        ("(?x) a b  c", ("abc",)),
    ],
)
def test_what_a_regex_cannot_match_without(regex: str, literals: tuple[str, ...]) -> None:
    assert required_literals(re.compile(regex)) == literals


@given(st.data())
def test_a_match_holds_a_required_literal(data: st.DataObject) -> None:
    rule = data.draw(st.sampled_from(BOOK.rules))
    text = data.draw(st.from_regex(rule.pattern))
    if rule.pattern.search(text):
        assert rule.search(text) is not None


_PARTS = st.sampled_from(["a", "bc", "de_", "x1", "7", "_"])
_PIECES = st.recursive(
    st.one_of(_PARTS, st.just("[a-c]"), st.just(r"\w"), st.just(".")),
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=3).map("".join),
        st.lists(inner, min_size=1, max_size=3).map(lambda many: "(?:" + "|".join(many) + ")"),
        inner.map(lambda one: f"(?:{one})?"),
        inner.map(lambda one: f"(?:{one})*"),
        inner.map(lambda one: f"(?:{one})+?"),
        inner.map(lambda one: f"(?P<g>{one})" if "?P<g>" not in one else one),
        inner.map(lambda one: f"(?={one})"),
        inner.map(lambda one: f"(?!{one})"),
        inner.map(lambda one: f"(?i:{one})"),
    ),
    max_leaves=8,
)


@given(_PIECES, st.lists(st.sampled_from(["a", "A", "bc", "de_", "x1", "7", "_", "q"]), max_size=8).map("".join))
def test_any_regex_any_text(regex: str, text: str) -> None:
    try:
        pattern = re.compile(regex)
    except re.error:
        return
    literals = required_literals(pattern)
    if pattern.search(text) and literals:
        assert any(literal in text for literal in literals)


def test_nearly_every_built_in_rule_is_prefiltered() -> None:
    without = [rule.id for rule in BOOK.rules if not rule.literals]
    assert len(without) <= 5, without


def test_no_built_in_rule_is_slow_on_a_long_name() -> None:
    for rule in BOOK.rules:
        for example in rule.examples:
            name = canonical(example.name)
            for text in (name * (4000 // len(name) + 1), name[: len(name) // 2] + "_a1" * 1300, name + "x" * 4000):
                start = time.perf_counter()
                rule.search(text)
                assert time.perf_counter() - start < 0.5, f"{rule.id} ({rule.path}:{rule.line})"
