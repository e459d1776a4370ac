"""A diff as a reader sees it: each output of each pair is a golden, read in the diff of the repository."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import jsonschema
import pytest

import tcscope
from tcscope.model import Cause, Diff, DiffTotals, Subject, Sums, TraceInfo
from tcscope.model.schema import diff_schema
from tcscope.render.diff import comma as diff_comma
from tcscope.render.diff import names as diff_names
from tcscope.render.diff import terminal as diff_terminal
from tcscope.render.diff import text as diff_text
from tcscope.render.diff.markdown import as_markdown
from tests.support.engines import conv, engine, int8, pad, pool
from tests.support.facts import A100_FP16, A100_QAT, report_of
from tests.support.places import FP16, GRAPHS, INT8

SCHEMA = Path(tcscope.__file__).parent / "model" / "diff.schema.json"
Golden = Callable[[str, str], None]

PAIRS: dict[str, Callable[[], Diff]] = {
    "diff_h100_fp16_int8": lambda: tcscope.compare(FP16, INT8),
    "diff_a100_fp16_qat": lambda: tcscope.compare(report_of(A100_FP16), report_of(A100_QAT)),
    "diff_by_kernel": lambda: tcscope.compare(tcscope.analyze(FP16), tcscope.analyze(INT8)),
    "diff_itself": lambda: tcscope.compare(INT8, INT8),
    "diff_graphs": lambda: tcscope.compare(GRAPHS, INT8),
}


@pytest.fixture(scope="module", params=PAIRS)
def pair(request: pytest.FixtureRequest) -> tuple[str, Diff]:
    return request.param, PAIRS[request.param]()


def test_terminal(pair: tuple[str, Diff], golden: Golden) -> None:
    golden(f"{pair[0]}.txt", diff_terminal.as_text(pair[1]))


def test_the_terminal_shows_one_screen(pair: tuple[str, Diff]) -> None:
    lines = diff_terminal.as_text(pair[1]).splitlines()
    assert len(lines) <= 40
    for line in lines:
        assert line == line.rstrip()
        assert len(line) <= 80 or line.startswith("  hint: "), line  # a hint is a command: it must stay whole


@pytest.mark.parametrize("width", [60, 100, 160])
def test_other_widths(pair: tuple[str, Diff], width: int) -> None:
    for line in diff_terminal.as_text(pair[1], top=100, width=width).splitlines():
        assert len(line) <= max(width, 80) or line.startswith("  hint: "), line


def test_full_names_are_never_cut(pair: tuple[str, Diff]) -> None:
    shown = diff_terminal.as_text(pair[1], top=100, full_names=True)
    for change in pair[1].layers:
        if change.delta_ns:
            assert change.name in shown


def test_no_character_beyond_ascii_where_the_stream_has_none(pair: tuple[str, Diff]) -> None:
    shown = diff_terminal.as_text(pair[1], top=100, encoding="ascii")
    assert shown.isascii()
    assert "?" not in shown.replace("?->", "")


def test_markdown(pair: tuple[str, Diff], golden: Golden) -> None:
    golden(f"{pair[0]}.md", as_markdown(pair[1]))


def test_csv_adds_up(pair: tuple[str, Diff], golden: Golden) -> None:
    name, diff = pair
    rows = list(csv.DictReader(io.StringIO(diff_comma.layers_csv(diff))))
    assert sum(int(row["cause_ns"]) for row in rows) == diff.totals.delta_ns
    assert {row["cause"] for row in rows} == {cause.cause for cause in diff.causes}
    golden(f"{name}.csv", diff_comma.layers_csv(diff))


def test_json_keeps_to_its_schema(pair: tuple[str, Diff]) -> None:
    schema = json.loads(SCHEMA.read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    data = json.loads(pair[1].to_json())
    jsonschema.validate(data, schema)
    assert data["schema"] == "tcscope.diff/1"
    assert sum(cause["ns"] for cause in data["causes"]) == data["totals"]["delta_ns"]
    assert Diff.from_dict(data) == pair[1]


def test_json(golden: Golden) -> None:
    golden("diff_itself.json", PAIRS["diff_itself"]().to_json())


def test_the_schema_that_ships_is_that_of_the_code() -> None:
    assert json.loads(SCHEMA.read_text()) == diff_schema(), f"python -m tcscope.model.schema diff > {SCHEMA}"


def test_every_cause_has_a_meaning_that_fits_its_column() -> None:
    assert all(cause.meaning and len(cause.meaning) <= 36 for cause in Cause)


def test_every_output_of_an_empty_diff() -> None:
    side = Subject(TraceInfo("empty.sqlite"))
    empty = Diff(side, side, DiffTotals(Sums(0, 0), Sums(0, 0), 0))
    assert "n/a" in diff_terminal.as_text(empty)
    assert "empty.sqlite" in as_markdown(empty)
    assert diff_comma.layers_csv(empty).count("\n") == 1
    assert Diff.from_dict(json.loads(empty.to_json())) == empty


NASTY = "evil\x1b[31m[bold]|`<script>&:smile:\u202e"


def nasty() -> Diff:
    return tcscope.compare(engine(conv(NASTY, 1000)), engine(conv(NASTY, 9000)))


def test_names_can_steer_neither_terminal_nor_markup() -> None:
    shown = diff_terminal.as_text(nasty())
    assert "\x1b" not in shown
    assert "evil\\x1b[31m[bold]|`<script>&:smile:\\u202e" in shown
    marked = as_markdown(nasty())
    assert "<script>" not in marked
    assert "\x1b" not in marked
    row = next(line for line in marked.splitlines() if "evil" in line)
    assert row.count("|") == 7  # the table's own bars
    assert next(csv.DictReader(io.StringIO(diff_comma.layers_csv(nasty()))))["name"] == NASTY


def test_slower_layers_go_first_and_leave_half_of_the_rows() -> None:
    base = engine(*(conv(f"up{n}", 1000) for n in range(9)), *(conv(f"down{n}", 1000) for n in range(9)))
    new = engine(*(conv(f"up{n}", 1900 - n) for n in range(9)), *(conv(f"down{n}", 500 + n) for n in range(9)))
    diff = tcscope.compare(base, new)
    assert [change.name for change in diff_text.chosen(diff.layers, 5)] == ["up0", "up1", "up2", "down0", "down1"]
    assert len(diff_text.chosen(diff.layers, 16)) == 16
    slower = tcscope.compare(base, engine(*(conv(f"up{n}", 1900 - n) for n in range(9))))
    assert [c.name for c in diff_text.chosen(slower.layers, 4)][:2] == ["up0", "up1"]


def test_noise_is_listed_last_and_only_to_fill_up() -> None:
    base = engine(conv("big", 10_000), conv("a", 100), *(conv(f"n{n}", 100) for n in range(9)))
    new = engine(conv("big", 10_000), conv("a", 900), *(conv(f"n{n}", 101 + n) for n in range(9)))
    changes = tcscope.compare(base, new).layers
    assert [c.name for c in diff_text.chosen(changes, 8, noise=False)] == ["a", "n8", "n7"]
    assert len(diff_text.chosen(changes, 8)) == 8


def test_what_ran_it() -> None:
    diff = tcscope.compare(
        engine(conv("/a/Conv", 900), pool("/b/MaxPool", 50), conv("/c/Conv", 10)),
        engine(int8("/a/Conv + /b/MaxPool", 400, pad(30)), conv("/c/Conv", 20)),
    )
    merged = next(change for change in diff.layers if change.cause is Cause.FUSION_MERGED)
    scale = diff_text.scale(diff)
    assert diff_names.moved(merged) == "tensor_core fp16 -> int8"
    assert diff_names.name(merged, scale) == ("/a/Conv + /b/MaxPool", " (was /a/Conv 0.9, /b/MaxPool 0.1)")
    assert diff_names.also(merged, scale) == " (glue-added 0.0)"
    for room in (40, 50, 60, 73):
        assert len("".join(diff_names.name(merged, scale, room))) <= room


class Screen(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_gets_colours_and_the_same_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERM", "xterm-256color")
    diff = PAIRS["diff_h100_fp16_int8"]()
    screen, pipe = Screen(), io.StringIO()
    diff_terminal.write(diff, screen)
    diff_terminal.write(diff, pipe)
    coloured = screen.getvalue()
    assert "\x1b[31m" in coloured
    bare = re.sub(r"\x1b\[[0-9;]*m", "", coloured)
    assert [line.rstrip() for line in bare.splitlines()] == pipe.getvalue().splitlines()


@pytest.mark.parametrize(
    ("ns", "unit", "shown"),
    [(396_367, "us", "+396.4"), (50_352_000, "ms", "+50.352"), (40_000_000_000, "s", "+40.000")],
)
def test_one_unit_for_all(ns: int, unit: str, shown: str) -> None:
    diff = replace(nasty(), totals=DiffTotals(Sums(0, 0), Sums(ns, 0), ns))
    scale = diff_text.scale(diff)
    assert (scale.unit, scale.change(ns), scale.change(-1), scale.change(None)) == (unit, shown, scale.time(0), "-")
