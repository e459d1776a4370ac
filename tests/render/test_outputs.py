"""What a reader sees, whole: each output of each fixture is a golden, read in the diff."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

import tcscope
from tcscope.model import (
    Device,
    Evidence,
    Kernel,
    Op,
    Place,
    Precision,
    Report,
    Selection,
    TensorShare,
    Totals,
    TraceInfo,
    Unit,
)
from tcscope.render import comma, terminal, text
from tcscope.render.markdown import as_markdown
from tcscope.wording import percent

FIXTURES = Path(__file__).parents[2] / "fixtures"
TRACES = sorted(path.stem for path in FIXTURES.glob("*.sqlite") if path.stem != "h100_no_kernels")

Golden = Callable[[str, str], None]


@pytest.fixture(scope="module", params=TRACES)
def report(request: pytest.FixtureRequest) -> tuple[str, Report]:
    return request.param, tcscope.analyze(FIXTURES / f"{request.param}.sqlite")


def test_terminal(report: tuple[str, Report], golden: Golden) -> None:
    name, found = report
    golden(f"{name}.txt", terminal.as_text(found, top=100))


def test_terminal_is_80_columns_wide_without_blanks_at_line_ends(report: tuple[str, Report]) -> None:
    for line in terminal.as_text(report[1], top=100).splitlines():
        assert line == line.rstrip()
        assert len(line) <= 80 or line.startswith("  hint: "), line  # a hint is a command: it must stay whole


def test_full_names_are_never_cut(report: tuple[str, Report]) -> None:
    shown = terminal.as_text(report[1], top=100, full_names=True)
    assert all(kernel.name in shown for kernel in report[1].kernels)


def test_no_character_beyond_ascii_where_the_stream_has_none(report: tuple[str, Report]) -> None:
    shown = terminal.as_text(report[1], top=100, encoding="ascii")
    assert shown.isascii()
    meant = re.sub(r"#*\?+\.+$", "", shown.replace("?->", ""), flags=re.MULTILINE)  # what is unknown, in a bar
    assert "?" not in meant  # nothing was replaced by a question mark


def test_markdown(report: tuple[str, Report], golden: Golden) -> None:
    golden(f"{report[0]}.md", as_markdown(report[1], top=5))


def test_csv_holds_every_kernel_and_all_time(report: tuple[str, Report], golden: Golden) -> None:
    name, found = report
    rows = list(csv.DictReader(io.StringIO(comma.kernels_csv(found))))
    assert [row["name"] for row in rows] == [kernel.name for kernel in found.kernels]
    assert sum(int(row["ns"]) for row in rows) == found.totals.kernel_ns
    golden(f"{name}.csv", comma.kernels_csv(found))


def test_json(report: tuple[str, Report], golden: Golden) -> None:
    golden(f"{report[0]}.json", report[1].to_json())


def test_json_keeps_to_its_schema(report: tuple[str, Report]) -> None:
    import jsonschema

    schema = json.loads((Path(tcscope.__file__).parent / "model" / "report.schema.json").read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(json.loads(report[1].to_json()), schema)


def test_the_schema_that_ships_is_that_of_the_code() -> None:
    from tcscope.model.schema import report_schema

    path = Path(tcscope.__file__).parent / "model" / "report.schema.json"
    assert json.loads(path.read_text()) == report_schema(), "python -m tcscope.model.schema > " + str(path)


def test_every_output_of_an_empty_report() -> None:
    empty = replace(Report(TraceInfo("empty.sqlite")), by=("unit",))
    assert "n/a" in terminal.as_text(empty)
    assert "empty.sqlite" in as_markdown(empty)
    assert comma.kernels_csv(empty).count("\n") == 1
    assert comma.groups_csv(empty) == "unit,launches,ns,share\n"
    assert Report.from_dict(json.loads(empty.to_json())) == empty


@pytest.mark.parametrize(
    ("has", "why"), [(False, "there are none"), (True, "no kernel time"), (None, "no kernel time")]
)
def test_a_missing_share_has_its_reason(has: bool | None, why: str) -> None:
    report = Report(TraceInfo("a.sqlite", devices=(Device(0, "GPU", 75, 1, has),)))
    assert f"On Tensor Cores\nn/a ({why})\n" in terminal.as_text(report)


NASTY = "evil\x1b[31m[bold]|`<script>&:smile:\u202e[clone .kd]"


def nasty() -> Report:
    kernel = Kernel(
        NASTY, None, Unit.UNKNOWN, Precision.UNKNOWN, None, Op.UNKNOWN, Evidence.NONE, 1, 1000, None, 1000, 1000,
        places=(Place(0, 1, 1, 1000),),
    )  # fmt: skip
    info = TraceInfo("a.sqlite", devices=(Device(0, "GPU", 90, 1, True),), selection=Selection(range="x\x07y", skip=2))
    share = TensorShare(0.0, 1.0, None, None)
    return Report(info, Totals(1, 1000), share, kernels=(kernel,))


def test_names_can_steer_neither_terminal_nor_markup() -> None:
    shown = terminal.as_text(nasty())
    assert "\x1b" not in shown
    assert "\x07" not in shown
    assert "evil\\x1b[31m[bold]|`<script>&:smile:\\u202e[clone .kd]" in shown
    marked = as_markdown(nasty())
    assert "<script>" not in marked
    assert "\x1b" not in marked
    row = next(line for line in marked.splitlines() if "evil" in line)
    assert row.count("|") == 9  # the table's own bars


def test_csv_and_json_keep_a_name_as_it_is() -> None:
    assert next(csv.DictReader(io.StringIO(comma.kernels_csv(nasty()))))["name"] == NASTY
    assert json.loads(nasty().to_json())["kernels"][0]["name"] == NASTY


@pytest.mark.parametrize(
    ("share", "shown"),
    [(0.0, "0.0"), (0.0001, "<0.1"), (0.0006, "0.1"), (0.643, "64.3"), (0.9996, ">99.9"), (1.0, "100.0")],
)
def test_a_share_never_reads_nothing_or_all_when_it_is_not(share: float, shown: str) -> None:
    assert percent(share) == shown


@pytest.mark.parametrize(
    ("low", "high", "shown"),
    [(0.5, 0.5, "50.0 %"), (0.5, 0.75, "50.0 to 75.0 %"), (None, None, "n/a"), (0.0, 1.0, "0.0 to 100.0 %")],
)
def test_bracket(low: float | None, high: float | None, shown: str) -> None:
    assert text.bracket(low, high) == shown


XMMA = (
    "sm80_xmma_fprop_implicit_gemm_f16f16_f16f32_f32_nhwckrsc_nhwc_tilesize128x128x64_stage3_warpsize2x2x1_g1_"
    "tensor16x8x16_t1r3s3_more_of_it_to_make_it_long"
)


@pytest.mark.parametrize("width", range(30, 170, 7))
@pytest.mark.parametrize("cue", ["", "tensor16x8x16", "sm80", "long", "not there"])
def test_a_cut_name_fits_and_keeps_its_cue(width: int, cue: str) -> None:
    shown = text.cut(XMMA, width, cue)
    assert len(shown) <= width
    assert cue not in XMMA or cue in shown
    assert shown == XMMA or "…" in shown


@pytest.mark.parametrize("value", ["tensor_core", "sm_90 #1 & more", "a|b", "\\`*_{}[]<>#|~&", "fp32 -> int8"])
def test_markdown_shows_a_text_as_it_is(value: str) -> None:
    from html import unescape

    from tcscope.render.markdown import code, escaped

    assert unescape(escaped(value)) == value
    assert unescape(code(value)) == f"<code>{value}</code>"
    assert not set("|*_`") & set(escaped(value) + code(value))
