"""`tcscope check --history` and `tcscope history`: arguments in, exit code out."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tcscope.cli import main
from tcscope.sources.history_commit import VARIABLES
from tests.support.cli import failure
from tests.support.places import FP16, INT8

COMMITS = ("aaaaaaa1", "bbbbbbb2", "ccccccc3")


def checked(capsys: pytest.CaptureFixture[str], path: Path, trace: Path, *arguments: object) -> tuple[int, str]:
    """The exit code of a check that is added to a history, and what it says beside."""
    given = ["check", trace, "--history", path, "--range", "inference", *arguments]
    code = main([str(argument) for argument in given])
    return code, capsys.readouterr().err


@pytest.fixture
def filled(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    path = tmp_path / "tcscope.db"
    copy = tmp_path / "resnet18s.sqlite"
    for commit, trace, code in zip(COMMITS, (FP16, FP16, INT8), (0, 0, 1), strict=True):
        copy.write_bytes(trace.read_bytes())
        assert checked(capsys, path, copy, "--commit", commit, "--fail-on", "tensor_share < 80%") == (
            code,
            f"wrote {path}: resnet18s.sqlite at {commit}\n",
        )
    return path


def shown(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    assert main(["history", *(str(argument) for argument in arguments)]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    return out


def test_the_commit_that_left_the_tensor_cores_is_marked(filled: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = shown(capsys, filled)
    marked = [line for line in out.splitlines() if line.startswith("◆ ccccccc3")]
    assert len(marked) == 1
    assert "77.82 %" in marked[0]
    assert marked[0].endswith("failed")
    assert out.count("83.64 %") == 3


@pytest.mark.parametrize(
    ("metric", "values"),
    [
        ("tensor_share", [0.8364, 0.8364, 0.7782]),
        ("launches", [640, 640, 840]),
        ("precision.int8.share", [0, 0, 0.7782]),
        ('kernel["*interleaved_i8i8*"].kernel_time', [0, 0, 2_480_000]),
        ("kernel_time_per_range", [396_367, 396_367, 271_867]),
    ],
)
def test_metrics(metric: str, values: list[float], filled: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = json.loads(shown(capsys, filled, metric, "--format", "json"))
    points = data["series"][0]["points"]
    assert [point["value"] for point in points] == pytest.approx(values, rel=0.2, abs=1e-4)
    assert [point["commit"] for point in points] == list(COMMITS)
    assert [point["changed"] for point in points] == [False, False, True]


def test_the_same_trace_of_the_same_commit_is_one_run(filled: Path, capsys: pytest.CaptureFixture[str]) -> None:
    saved = filled.parent / "report.json"
    assert main(["check", str(INT8), "--range", "inference", "--update-baseline", "--baseline", str(saved)]) == 0
    capsys.readouterr()
    for trace in (filled.parent / "resnet18s.sqlite", INT8, saved):
        code, said = checked(capsys, filled, trace, "--commit", COMMITS[2], "--fail-on", "tensor_share < 1%")
        assert (code, said.split()[0]) == (0, "note:")
    assert shown(capsys, filled, "--format", "csv").count("\n") == 4


def test_the_build_server_s_commit_is_taken(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("CI_COMMIT_SHA", "0123456789abcdef0123456789abcdef01234567")
    code, _ = checked(capsys, tmp_path / "tcscope.db", FP16, "--fail-on", "tensor_share < 1%")
    assert code == 0
    assert "01234567" in shown(capsys, tmp_path / "tcscope.db")


def test_options(filled: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = shown(capsys, filled, "launches", "--last", 1)
    assert "2 earlier runs (--last N)" in out
    assert COMMITS[0] not in out
    assert COMMITS[0] in shown(capsys, filled, "--last", 0)
    assert shown(capsys, filled, "--trace", "resnet18s*") == shown(capsys, filled)
    assert shown(capsys, filled, "--format", "csv").startswith("trace,gpu,selection,commit,time,")


def test_errors(filled: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert failure(capsys, "history", tmp_path / "none.db").code == 2
    assert failure(capsys, "history", INT8).error == f"{INT8} is no history of tcscope"
    assert failure(capsys, "history", filled, "tensor_shar").code == 2
    assert failure(capsys, "history", filled, 'layer["x"].share').code == 3
    assert failure(capsys, "history", filled, "--trace", "none*").code == 2
    assert failure(capsys, "history", filled, "--last", "x").code == 2
    assert failure(capsys, "history", filled, "--format", "md").code == 2
    assert failure(capsys, "history").code == 2


def test_a_trace_given_for_the_history_stays_as_it_was(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    trace = tmp_path / "trace.sqlite"
    trace.write_bytes(INT8.read_bytes())
    code, said = checked(capsys, trace, FP16, "--commit", "aaaaaaa1", "--fail-on", "tensor_share < 1%")
    assert code == 2
    assert "is no history of tcscope" in said
    assert trace.read_bytes() == INT8.read_bytes()


def test_checks_at_the_same_time_are_all_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "tcscope.db"
    command = [sys.executable, "-m", "tcscope", "check", str(FP16), "--fail-on", "tensor_share < 1%"]
    running = [
        subprocess.Popen([*command, "--history", str(path), "--commit", f"c{number}"], stdout=subprocess.DEVNULL)
        for number in range(3)
    ]
    assert [process.wait(60) for process in running] == [0] * 3
    rows = shown(capsys, path, "--format", "csv").splitlines()[1:]
    assert sorted(row.split(",")[3] for row in rows) == ["c0", "c1", "c2"]
    assert os.listdir(tmp_path) == ["tcscope.db"]
