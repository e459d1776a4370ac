"""`tcscope rules coverage`."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest

from tcscope.cli import main
from tests.accuracy.score import REPOSITORY

TRACE = str(REPOSITORY / "fixtures" / "h100_trt86_resnet18s_int8.sqlite")


def test_a_trace_without_gaps(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["rules", "coverage", TRACE]) == 0

    out, err = capsys.readouterr()
    assert out.startswith("all ")
    assert err == ""


def test_names_from_standard_input(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    stdin = io.TextIOWrapper(io.BytesIO(b"mine_a\nmine_a\n"))
    monkeypatch.setattr(sys, "stdin", stdin)

    assert main(["rules", "coverage", "-"]) == 0

    out, err = capsys.readouterr()
    assert "1 of 1 kernel has no verdict" in out
    assert "--format yaml" in err


def test_yaml_is_all_there_is_on_stdout(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    names = tmp_path / "names.txt"
    names.write_text("mine_a\n")

    assert main(["rules", "coverage", str(names), "--format", "yaml", "--sm", "87"]) == 0

    out, err = capsys.readouterr()
    assert "schema: tcscope.rules/1" in out
    assert err == ""


@pytest.mark.parametrize("arguments", [["absent.txt"], [TRACE, "--top", "0"], [TRACE, "--sm", "banana"]])
def test_what_can_t_be_done_is_said(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["rules", "coverage", *arguments]) == 2

    assert capsys.readouterr().err.startswith("error: ")
