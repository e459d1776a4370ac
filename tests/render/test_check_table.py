"""A check on a terminal: failures first, 80 columns, words beside every colour, hostile names harmless."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tcscope
from tcscope.analysis.budget.run import check as held
from tcscope.model.check import Amount, Check, Clause, Outcome
from tcscope.model.schema import check_schema
from tcscope.render.check.terminal import as_text, write
from tcscope.wording import plain
from tests.support import checks
from tests.support.budgets import BASE, NEW, entry
from tests.support.checks import ENDLESS, check, condition, left

Golden = Callable[[str, str], None]


def measured() -> Check:
    """A check of the two reports made by hand: every outcome, and a baseline."""
    rows = [
        entry("tensor_share < baseline - 2pp", line=4),
        entry('kernel["*ffma*"].share > 0%', Clause.WARN_ON, line=7),
        entry("kernel_time_per_range > baseline + 5%", line=5),
        entry('layer["/conv1/*"].unit == tensor_core', Clause.REQUIRE, line=9),
        entry("opaque_share > 30%", line=6),
        entry("launches >= 6", line=None),
    ]
    return replace(held(NEW, rows, base=BASE, budget_file="tcscope.yaml"), baseline_file="baseline.json")


CASES: dict[str, Callable[[], Check]] = {
    "measured": measured,
    "failed": checks.failed,
    "hostile": checks.hostile,
    "passed": lambda: check(condition(), condition(text="opaque_share > 0", line=8, baseline=None)),
    "empty": check,
}


@pytest.mark.parametrize("case", CASES)
def test_the_table(case: str, golden: Golden) -> None:
    golden(f"check_table_{case}.txt", as_text(CASES[case]()))


@pytest.mark.parametrize("case", CASES)
def test_no_line_of_ours_is_longer_than_the_screen(case: str) -> None:
    for line in as_text(CASES[case]()).splitlines():
        if case != "hostile":  # what must be copied, a condition or a file, stays whole
            assert len(line) <= 80, line


def test_hostile_names_stay_in_their_lines() -> None:
    shown = as_text(checks.hostile())
    assert all(line == plain(line) for line in shown.split("\n"))
    assert "\ngpu       a<b>&|`x`%0A%\\nend:" in shown


def test_the_schema_that_ships_is_that_of_the_code() -> None:
    shipped = Path(tcscope.__file__).parent / "model" / "check.schema.json"
    assert json.loads(shipped.read_text()) == check_schema(), f"python -m tcscope.model.schema check > {shipped}"


def test_failures_come_first_and_the_verdict_last() -> None:
    lines = as_text(checks.failed()).splitlines()
    first = [line.split()[0] for line in lines if line[:1].isalpha() and line[:10].strip() in _WORDS]
    assert first == ["FAILED", "WARNED", "in", "passed"]
    assert lines[-1].startswith("failed: ")


_WORDS = ("FAILED", "WARNED", "in noise", "passed")


def test_a_terminal_has_colours_and_the_same_words(monkeypatch: pytest.MonkeyPatch) -> None:
    class Screen(io.StringIO):
        encoding = "utf-8"

        def isatty(self) -> bool:
            return True

    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("COLUMNS", "80")
    stream = Screen()
    write(checks.failed(), stream)
    shown = stream.getvalue()
    assert "\x1b[1;31mFAILED" in shown
    without = [line.rstrip() for line in re.sub(r"\x1b\[[0-9;]*m", "", shown).splitlines()]
    assert without == as_text(checks.failed()).splitlines()


def test_a_pipe_has_no_colour_and_the_width_that_was_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("FORCE_COLOR", "TTY_COMPATIBLE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COLUMNS", "120")
    stream = io.StringIO()
    write(checks.failed(), stream)
    assert stream.getvalue() == as_text(checks.failed(), width=120)
    assert "\x1b" not in stream.getvalue()


def test_an_encoding_without_the_ellipsis_is_served() -> None:
    shown = as_text(check(moved=(left(ENDLESS),)), encoding="ascii")
    assert "..." in shown
    assert shown.isascii()


def test_whole_names_are_there_when_asked_for() -> None:
    found = check(moved=(left("/conv1/Conv", kernel=ENDLESS),))
    assert ENDLESS not in as_text(found)
    assert ENDLESS in as_text(found, full_names=True)


def test_what_does_not_fit_is_counted() -> None:
    many = check(moved=tuple(left(f"/layer{at}/Conv", 57_310 - at) for at in range(14)))
    shown = as_text(many)
    assert "Moved since the baseline: 14 layers, ms an inference" in shown
    assert "4 more (all: -o check.json)" in shown
    assert as_text(check(condition(Outcome.FAILED, where_count=14))).count("14 more") == 1


@settings(max_examples=60)
@given(st.text(max_size=200), st.text(max_size=200))
def test_no_name_steers_the_terminal(name: str, text: str) -> None:
    found = check(condition(Outcome.FAILED, text=text, found=Amount(None, text), message=text), moved=(left(name),))
    shown = as_text(found)
    assert all(line == plain(line) for line in shown.split("\n"))
