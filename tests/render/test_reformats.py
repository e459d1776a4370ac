"""The ledger in words."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tcscope.model import Dtype, Op, Reason, Reformat
from tcscope.render.reformats import route

ROW = Reformat("copy", "k", Reason.NEIGHBOUR, Op.REFORMAT, 1, 10, Dtype.FP32, Dtype.INT8)


@pytest.mark.parametrize(
    ("fields", "shown"),
    [
        ({"leaves": "a", "feeds": ("b",)}, "a -> b"),
        ({"leaves": "a", "feeds": ("b", "c", "d")}, "a -> b and 2 more"),
        ({"feeds": ("b",), "reads_input": True}, "network input -> b"),
        ({"leaves": "a", "writes_output": True}, "a -> network output"),
        ({"feeds": ("b",), "reason": Reason.CONSTANT}, "a constant -> b"),
        ({"feeds": ("b",)}, "? -> b"),
        ({"leaves": "a"}, "a -> ?"),
        ({}, "copy"),
        ({"layer": "conv", "feeds": ("conv",)}, "inside conv"),
        ({"layer": ""}, "k"),
    ],
)
def test_the_way_of_a_reformat(fields: dict[str, object], shown: str) -> None:
    assert route(replace(ROW, **fields)) == shown  # type: ignore[arg-type]


@pytest.mark.parametrize("width", range(20, 90, 3))
@pytest.mark.parametrize(("leaves", "feeds"), [("a" * 80, "b" * 80), ("a" * 80, "b"), ("a", "b" * 80), ("a", "b")])
def test_both_ends_are_seen_in_any_width(width: int, leaves: str, feeds: str) -> None:
    shown = route(replace(ROW, leaves=leaves, feeds=(feeds,)), width)
    assert len(shown) <= width
    source, _, sink = shown.partition(" -> ")
    assert source[0] == "a"
    assert sink[-1] == "b"
    assert (len(source) == len(leaves)) or (len(shown) == width)


def test_a_constant_is_no_qualifier_of_a_type() -> None:
    assert route(replace(ROW, reason=Reason.CONSTANT, feeds=("b" * 99,)), 40).startswith("a constant -> bb")
