"""Secrets planted in a trace, in its folder's name and in counters get into no answer and no file that is kept."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tcscope.cli import main
from tests.sources.test_slim import PLANTED, planted
from tests.support.counters import launch, wide
from tests.support.sass import FATBIN, needs_cuobjdump

SECRETS = (PLANTED, "gpubox17", "joe")


@pytest.fixture
def trace(tmp_path: Path) -> Path:
    """A trace that tells of its machine, in a folder that does."""
    folder = tmp_path / "in" / PLANTED / "joe"
    folder.mkdir(parents=True)
    path = planted(folder / "t.sqlite")
    with closing(sqlite3.connect(path)) as db:  # what no column of numbers may hold would be refused
        db.execute("update CUPTI_ACTIVITY_KIND_KERNEL set graphNodeId = null")
        db.execute("update NVTX_EVENTS set domainId = 0")
        db.commit()
    return path


@pytest.fixture
def out(tmp_path: Path) -> Path:
    folder = tmp_path / "out"
    folder.mkdir()
    return folder


def none_tells(folder: Path, names: set[str]) -> None:
    """Raise AssertionError where a file of a folder holds a secret, or another file is in it than those."""
    assert {file.name for file in folder.iterdir()} == names
    for file in folder.iterdir():
        data = file.read_bytes()
        assert data
        for word in (*SECRETS, str(folder.parent)):
            assert word.encode() not in data, (file.name, word)


def test_a_history_tells_of_no_machine(trace: Path, out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    history = out / "h.db"
    asked = ["--fail-on", "launches > 9", "--history", str(history)]
    assert main(["check", str(trace), *asked, "--commit", "abcdef1", "--range", "step"]) in (0, 3)
    assert main(["check", str(trace), *asked, "--commit", "abcdef2"]) == 0
    capsys.readouterr()
    for form in ("table", "json", "csv"):
        assert main(["history", str(history), "--format", form]) == 0
        (out / form).write_text(capsys.readouterr().out)
    none_tells(out, {"h.db", "table", "json", "csv"})


def test_neither_do_checks_and_baselines(trace: Path, out: Path) -> None:
    base = out / "base.json"
    assert main(["check", str(trace), "--fail-on", "launches > 9", "--baseline", str(base), "--update-baseline"]) == 0
    conditions = ["--fail-on", "launches > baseline", "--warn-on", "launches > 0", "--baseline", str(base)]
    names = ["c.txt", "c.json", "c.md", "c.xml"]
    for name in names:
        assert main(["check", str(trace), *conditions, "-o", str(out / name)]) == 0
    files = {"base.json", *names}
    for name in names:  # a check names its baseline as it was typed: the one that was given here lies in `out`
        path = out / name
        path.write_text(path.read_text().replace(str(base), "base.json"))
    none_tells(out, files)


def test_neither_do_timelines(trace: Path, out: Path) -> None:
    for name in ("t.perfetto", "t.json"):
        assert main(["timeline", str(trace), "-o", str(out / name)]) == 0
    none_tells(out, {"t.perfetto", "t.json"})


def test_neither_do_verifications(trace: Path, out: Path) -> None:
    counters = trace.with_name("c.csv")
    text = wide([launch("kernel", fp16=5)])
    counters.write_text(text.replace("python3", f"{PLANTED}.py").replace("127.0.0.1", "gpubox17"))
    names = ["v.json", "v.csv", "v.txt", "v.yaml"]
    for name in names:
        assert main(["verify", str(trace), "--ncu", str(counters), "--sm", "90", "-o", str(out / name)]) in (0, 1)
    none_tells(out, set(names))


def test_neither_do_several_traces(trace: Path, out: Path) -> None:
    other = Path(shutil.copy(trace, trace.with_name("u.sqlite")))
    names = ["s.json", "s.csv", "s.md", "s.txt"]
    for name in names:
        assert main(["analyze", str(trace), str(other), "--jobs", "1", "-o", str(out / name)]) == 0
    none_tells(out, set(names))


@needs_cuobjdump
def test_neither_does_machine_code(trace: Path, out: Path) -> None:
    code = Path(shutil.copy(FATBIN, trace.with_name("k.fatbin")))
    names = ["k.json", "k.csv", "k.txt"]
    for name in names:
        assert main(["sass", str(code), "-o", str(out / name)]) == 0
    none_tells(out, set(names))
