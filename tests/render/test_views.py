"""The views, whole: each of one real trace is a golden; and the same table as CSV and Markdown."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

import tcscope
from tcscope.analysis.views import VIEWS
from tcscope.cli import main
from tcscope.errors import TraceError
from tcscope.model import Instance, Iterations, RangeLevel, Report, TraceInfo
from tcscope.model.view import Column, Kind, View
from tcscope.render import views
from tests.render.test_outputs import NASTY, nasty
from tests.support.cli import failure
from tests.support.places import INT8, ORIN

Golden = Callable[[str, str], None]


@pytest.fixture(scope="module")
def report() -> Report:
    return tcscope.analyze(INT8, level=RangeLevel(), stats=True)


@pytest.mark.parametrize("name", VIEWS)
def test_on_a_terminal(name: str, report: Report, golden: Golden) -> None:
    shown = views.as_text(VIEWS[name](report))
    golden(f"views/{name}.txt", shown)
    assert all(len(line) <= 80 and line == line.rstrip() for line in shown.splitlines())


@pytest.mark.parametrize("name", VIEWS)
def test_csv_has_every_value(name: str, report: Report) -> None:
    view = VIEWS[name](report)
    rows = list(csv.reader(io.StringIO(views.as_csv(view))))
    assert rows[0] == [column.key for column in view.columns]
    assert rows[1:] == [["" if value is None else str(value) for value in row] for row in view.rows]


@pytest.mark.parametrize("name", VIEWS)
def test_markdown_is_one_table(name: str, report: Report) -> None:
    view = VIEWS[name](report)
    lines = [line for line in views.as_markdown(view).splitlines() if line.startswith("|")]
    assert len(lines) == len(view.rows) + 2
    assert {line.count("|") for line in lines} == {len(view.columns) + 1}


def test_the_kernels_have_all_time(report: Report) -> None:
    rows = list(csv.DictReader(io.StringIO(views.as_csv(VIEWS["kernels"](report)))))
    assert sum(int(row["ns"]) for row in rows) == report.totals.kernel_ns
    assert all(row["median_ns"] for row in rows)


def test_the_iterations_add_up(report: Report) -> None:
    rows = list(csv.DictReader(io.StringIO(views.as_csv(VIEWS["iterations"](report)))))
    assert report.iterations is not None
    assert len(rows) == report.iterations.count == 20
    for field in ("wall_ns", "kernel_ns", "idle_ns"):
        assert sum(int(row[field]) for row in rows) == getattr(report.iterations, field)


def test_without_layers_kernels_are_eligible() -> None:
    view = VIEWS["eligible"](tcscope.analyze(ORIN))
    assert view.title.endswith(" kernels")
    used = [str(row[3]) for row in view.rows]
    assert used == sorted(used, key=["no", "unknown", "yes"].index)  # what could gain comes first


def test_more_iterations_than_are_kept() -> None:
    some = Iterations("r", 5, 50, 5, 5, 1, (Instance(0, 10, 1, 1, 1, 0),))
    view = VIEWS["iterations"](replace(Report(TraceInfo("t")), iterations=some))
    assert "the first 1 of 5 iterations" in view.notes


def test_no_iterations() -> None:
    with pytest.raises(TraceError, match="no NVTX range encloses"):
        VIEWS["iterations"](Report(TraceInfo("t.sqlite")))
    profile = Iterations("trtexec profile", 1, 0, 5)
    with pytest.raises(TraceError, match="not one by one"):
        VIEWS["iterations"](replace(Report(TraceInfo("t.json")), iterations=profile))


@pytest.mark.parametrize("name", ["summary", "kernels", "eligible", "advice"])
def test_an_empty_report(name: str) -> None:
    view = VIEWS[name](Report(TraceInfo("empty.sqlite")))
    assert views.as_text(view)
    assert views.as_csv(view)
    assert views.as_markdown(view)


def test_names_can_steer_neither_terminal_nor_markup() -> None:
    view = VIEWS["kernels"](nasty())
    shown = views.as_text(view, full_names=True)
    assert "\x1b" not in shown
    assert plainly(NASTY) in shown
    marked = views.as_markdown(view)
    assert "<script>" not in marked
    assert "\x1b" not in marked


def plainly(name: str) -> str:
    return name.replace("\x1b", "\\x1b").replace("\u202e", "\\u202e")


def test_a_name_is_cut_and_keeps_its_cue() -> None:
    name = "a" * 60 + "tensor16x8x16" + "b" * 60
    view = View("t", (Column("name", "name", Kind.KERNEL),), ((name,),), (), {name: "tensor16x8x16"})
    assert "tensor16x8x16" in views.as_text(view, width=60)
    assert views.as_text(view, width=60, ascii_only=True).isascii()
    assert name in views.as_text(view, full_names=True)


class TestCommand:
    """`tcscope analyze --view` and `--keep-fp16`."""

    @pytest.mark.parametrize("name", VIEWS)
    def test_every_view(self, name: str, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["analyze", str(INT8), "--view", name]) == 0
        out, err = capsys.readouterr()
        assert out
        assert err == ""

    def test_the_help_names_all(self) -> None:
        from tcscope.cli.views import NAMES

        assert set(NAMES) == set(VIEWS)

    def test_into_a_file(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["analyze", str(INT8), "--view", "eligible", "-o", str(tmp_path / "e.csv")]) == 0
        assert capsys.readouterr().err.startswith("wrote ")
        assert (tmp_path / "e.csv").read_text().startswith("share,ns,launches,using_tensor_cores,")

    def test_of_a_saved_report(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        saved = tmp_path / "r.json"
        assert main(["analyze", str(INT8), "--by", "layer", "-o", str(saved)]) == 0
        assert main(["analyze", str(INT8), "--view", "iterations"]) == 0
        from_trace = capsys.readouterr().out
        assert main(["analyze", str(saved), "--view", "iterations"]) == 0
        assert capsys.readouterr().out == from_trace

    def test_keep_fp16(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["analyze", str(INT8), "--keep-fp16"]) == 0
        assert capsys.readouterr().out == "# no INT8 layer here is known to be better left in FP16\n"

    def test_one_answer_at_a_time(self, capsys: pytest.CaptureFixture[str]) -> None:
        said = failure(capsys, "analyze", INT8, "--view", "kernels", "--keep-fp16")
        assert (said.code, said.error) == (2, "--view and --keep-fp16 are two answers")

    def test_a_view_is_no_json(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert failure(capsys, "analyze", INT8, "--view", "kernels", "--format", "json").code == 2

    def test_an_unknown_view(self, capsys: pytest.CaptureFixture[str]) -> None:
        said = failure(capsys, "analyze", INT8, "--view", "kernel")
        assert said.error == "no view 'kernel', did you mean 'kernels'?"
