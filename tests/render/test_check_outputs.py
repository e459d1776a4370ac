"""A check in the formats of build servers: each output is a golden, and hostile names survive in each."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from functools import cache
from pathlib import Path
from xml.etree import ElementTree as Xml

import jsonschema
import pytest
import xmlschema
from hypothesis import given
from hypothesis import strategies as st

import tcscope
from tcscope.model import Cause
from tcscope.model.check import Amount, Check, Moved, Outcome, Scope
from tcscope.render.check.github import as_github
from tcscope.render.check.junit import as_junit
from tcscope.render.check.markdown import as_markdown
from tcscope.wording import plain
from tests.support import checks
from tests.support.checks import ENDLESS, HOSTILE, check, condition, left, spot

Golden = Callable[[str, str], None]
NOW = datetime(2026, 11, 23, 6, 7, 8)
SUPPORT = Path(checks.__file__).parent
SCHEMAS = ("junit_ant.xsd", "junit_jenkins.xsd")

CASES: dict[str, Callable[[], Check]] = {
    "failed": checks.failed,
    "hostile": checks.hostile,
    "passed": lambda: check(condition(), condition(text="opaque_share > 0", line=8, baseline=None)),
    "empty": check,
}
FORMS: dict[str, Callable[[Check], str]] = {
    "github": as_github,
    "junit.xml": lambda found: as_junit(found, NOW),
    "md": as_markdown,
    "json": lambda found: found.to_json(),
}


SHOWN = plain(HOSTILE)


def parsed(text: str) -> Xml.Element:
    return Xml.fromstring(text)  # noqa: S314 - our own


@cache
def schema(name: str) -> xmlschema.XMLSchema:
    return xmlschema.XMLSchema(str(SUPPORT / name))


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("case", CASES)
def test_outputs(case: str, form: str, golden: Golden) -> None:
    golden(f"check_{case}.{form}", FORMS[form](CASES[case]()))


@pytest.mark.parametrize("name", SCHEMAS)
@pytest.mark.parametrize("case", CASES)
def test_junit_keeps_to_both_schemas_in_use(case: str, name: str) -> None:
    schema(name).validate(as_junit(CASES[case]()))


@pytest.mark.parametrize("name", SCHEMAS)
@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("<testcase name=", "<testcase called="),
        ("<testcase ", "<case "),
        (' tests="4"', ""),
        ("<testsuite ", '<testsuite pid="7" '),
        ('time="0" />', 'seconds="0" />'),
    ],
)
def test_the_schemas_refuse_what_is_no_junit(name: str, before: str, after: str) -> None:
    text = as_junit(checks.failed())
    assert before in text
    assert not schema(name).is_valid(text.replace(before, after, 1).replace("</case>", "</testcase>"))


def test_junit_has_a_case_for_each_condition_in_their_order() -> None:
    suite = parsed(as_junit(checks.failed()))[0]
    cases = suite.findall("testcase")
    assert [case.get("name") for case in cases] == [
        "fail_on: unknown_share > 5%",
        "warn_on: launches > baseline + 5%",
        "fail_on: kernel_time_per_range > baseline + 1%",
        "fail_on: tensor_share < baseline - 2pp",
    ]
    assert [len(case) for case in cases] == [0, 0, 0, 1]
    assert (suite.get("tests"), suite.get("failures")) == ("4", "1")
    failure = cases[3][0]
    assert failure.get("message") == checks.failed().conditions[3].message
    assert "tcscope.yaml:7:5: " in str(failure.text)
    assert "/layer1/layer1.0/conv1/Conv" in str(failure.text)
    assert "warned: launches is 700" in str(suite.findtext("system-out"))


def test_equal_conditions_are_two_cases() -> None:
    suite = parsed(as_junit(check(condition(), condition(line=9), condition(line=10))))[0]
    names = [str(case.get("name")) for case in suite.findall("testcase")]
    assert names == [names[0], f"{names[0]} (2)", f"{names[0]} (3)"]


def test_junit_says_what_moved_below_conditions_on_the_baseline_alone() -> None:
    failed = condition(Outcome.FAILED), condition(Outcome.FAILED, baseline=None)
    suite = parsed(as_junit(check(*failed, moved=(left("/conv1/Conv"),))))[0]
    assert ["tensor_core fp16 -> cuda_core fp32" in str(f.text) for f in suite.iter("failure")] == [True, False]


def test_junit_is_ascii_and_holds_the_names_all_the_same() -> None:
    text = as_junit(checks.hostile())
    assert text.isascii()
    assert "]]>" not in text
    (failure,) = parsed(text).iter("failure")
    said = str(failure.text)
    assert "a<b>&|`x`%0A%\\nend:,]]>\\x1b[31m\\x00##[error]::error::\\u202e\\ufffe🔥" in said
    assert ENDLESS in said


@given(st.text(st.characters(codec=None), max_size=60))
def test_any_name_makes_sound_xml(name: str) -> None:
    text = as_junit(check(condition(Outcome.FAILED, text=name, message=name, where=(spot(name),), hint=name)))
    assert text.isascii()
    parsed(text)


# The runner's own reading of a log: https://github.com/actions/runner/blob/main/src/Runner.Common/ActionCommand.cs
COMMAND = re.compile(r"::(?P<name>[a-z]+)(?: (?P<properties>.*?))?::(?P<data>.*)")


def as_the_runner_reads(text: str) -> list[tuple[str, dict[str, str], str]]:
    """(command, its properties, its message) of every line that the runner takes for a command."""
    found = []
    for line in text.splitlines():
        match = COMMAND.match(line.lstrip())
        if not match:
            assert "##[" not in line
            continue
        properties = dict(part.split("=", 1) for part in (match["properties"] or "").split(",") if part)
        values = {key: unescaped(value.replace("%3A", ":").replace("%2C", ",")) for key, value in properties.items()}
        found.append((match["name"], values, unescaped(match["data"])))
    return found


def unescaped(value: str) -> str:
    return value.replace("%0D", "\r").replace("%0A", "\n").replace("%25", "%")


def test_annotations_point_at_the_lines_of_the_budget() -> None:
    error, warning, notice, *rest = as_the_runner_reads(as_github(checks.failed()))
    assert error[0] == "error"
    assert error[1] == {
        "file": "tcscope.yaml",
        "line": "7",
        "col": "5",
        "title": "fail_on: tensor_share < baseline - 2pp",
    }
    assert error[2].startswith(checks.failed().conditions[3].message)
    assert "/conv1/Conv" in error[2]
    assert (warning[0], warning[1]["line"]) == ("warning", "12")
    assert (notice[0], set(notice[1])) == ("notice", {"title"})  # an option has no file
    assert [name for name, _, _ in rest] == ["group", "endgroup"]


def test_the_last_line_is_the_summary() -> None:
    for case in CASES.values():
        found = case()
        assert as_github(found).splitlines()[-1].startswith(f"{found.outcome}: {found.summary.split(',')[0]}")


def test_hostile_names_make_no_command_of_their_own() -> None:
    read = as_the_runner_reads(as_github(checks.hostile()))
    assert [name for name, _, _ in read] == ["error", "warning", "group", "endgroup"]
    assert read[0][1]["file"] == f"dir,{SHOWN}/budget.yaml"
    assert read[0][1]["line"] == "7"
    assert f"kernel {SHOWN}: cuda_core fp32 conv" in read[0][2]
    assert ENDLESS in read[0][2]


@given(st.text(st.characters(codec="utf-8"), max_size=60))
def test_any_name_survives_annotations(name: str) -> None:
    found = check(condition(Outcome.FAILED, text=name, source=name, message=name), summary="s")
    text = as_github(found)
    assert as_markdown(found).encode()
    assert len(text.split("\n")) == 3
    assert "\r" not in text
    match = COMMAND.match(text)
    assert match is not None
    file = str(match["properties"]).split(",")[0].removeprefix("file=")
    assert unescaped(file.replace("%3A", ":").replace("%2C", ",")) == plain(name)


def test_half_of_a_character_makes_no_output_that_can_t_be_written() -> None:
    found = check(condition(Outcome.FAILED, text="\ud800", source="\ud800", message="\udfff"), moved=(left("\ud801"),))
    for form in ("github", "junit.xml", "md"):
        assert FORMS[form](found).encode()


def test_more_annotations_than_github_shows_are_told() -> None:
    many = check(*(condition(Outcome.FAILED, line=n) for n in range(1, 12)), condition(Outcome.WARNED))
    assert "GitHub shows 10 annotations of a kind; this log has every error.\n" in as_github(many)
    assert "GitHub shows" not in as_github(checks.failed())


def cells(line: str) -> list[str]:
    return [html.unescape(re.sub(r"</?(?:code|br)>", "", cell)).strip() for cell in line.split("|")[1:-1]]


def test_hostile_names_survive_markdown() -> None:
    text = as_markdown(checks.hostile())
    assert "\x1b" not in text
    assert "<b>" not in text
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    assert [row.count("|") for row in rows] == [6] * len(rows)
    failed = next(cells(row) for row in rows if "failed" in row)
    assert f'kernel["{SHOWN}"].share > 1%' in failed[1]
    assert SHOWN in failed[4]
    assert ENDLESS in failed[4]
    assert sum(SHOWN in cell for row in rows for cell in cells(row)) == 6


def test_long_lists_are_cut_and_counted() -> None:
    spots = tuple(spot(f"layer{n}") for n in range(30))
    moved = tuple(left(f"layer{n}") for n in range(25))
    found = check(condition(Outcome.FAILED, where=spots, where_count=1234), moved=moved)
    for text in (as_github(found), as_junit(found), as_markdown(found)):
        assert "and 1,229 more" in text
        assert "layer4" in text
    assert "and 15 more" in as_github(found)
    assert "and 5 more" in as_markdown(found)
    assert len(as_markdown(check(condition(), moved=tuple(left(ENDLESS * 9) for _ in range(25))))) < 1_000_000


def test_kernels_and_layers_that_one_side_lacks() -> None:
    gone = replace(left("old", -5_000, scope=Scope.KERNEL), now=None, cause=Cause.NOT_MATCHED)
    found = check(condition(), moved=(gone,), per="trace")
    assert "-5.0 us kernel old: tensor_core fp16 -> absent (not-matched)" in as_github(found)
    assert "(1 kernel, times of the whole trace)" in as_github(found)
    assert "| -0.005 | kernel <code>old</code> | tensor&" not in as_markdown(found)
    assert cells(as_markdown(found).splitlines()[-1])[3] == "-"
    mixed: tuple[Moved, ...] = (gone, left("/conv1/Conv"))
    assert "(2, times of the whole trace)" in as_github(check(condition(), moved=mixed, per="trace"))


def test_a_condition_on_words_has_no_number() -> None:
    found = check(condition(Outcome.FAILED, found=Amount(None, "cuda_core"), expected="tensor_core", baseline=None))
    assert "**cuda&#95;core**" in as_markdown(found)


@pytest.mark.parametrize("case", CASES)
def test_json_keeps_to_its_schema(case: str) -> None:
    data = json.loads(CASES[case]().to_json())
    shipped = Path(tcscope.__file__).parent / "model" / "check.schema.json"
    jsonschema.validate(data, json.loads(shipped.read_text(encoding="utf-8")))
    assert Check.from_dict(data) == CASES[case]()
