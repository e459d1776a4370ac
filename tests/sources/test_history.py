"""A history's file: what it keeps, that writers don't lose rows, and that no other file is ever written to."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tcscope.errors import UsageError
from tcscope.model import Op, Precision, Unit
from tcscope.model.check import Measure, Outcome
from tcscope.model.history import Figure, KernelTotal, Run
from tcscope.sources import history
from tcscope.sources.history_commit import VARIABLES, commit
from tests.support.places import INT8

WRITERS, COMMITS, KERNELS = 8, 25, 120


def run(number: int = 0, *, kernels: int = 2, **fields: object) -> Run:
    made = Run(
        commit=f"{number:040x}",
        time="2026-11-23T06:07:08",
        trace="resnet.sqlite",
        digest="d1",
        outcome=Outcome.PASSED,
        captured="2026-11-22T06:06:53",
        gpu="NVIDIA H100 sm_90",
        selection="range 'inference'",
        figures=(
            Figure("tensor_share", Measure.SHARE, 0.8359),
            Figure("kernel_time", Measure.TIME, 7_927_340 + number, 12),
        ),
        kernels=tuple(
            KernelTotal(f"kernel_{n}", Unit.TENSOR_CORE, Precision.FP16, Op.CONV, 20, 1000 * number + n)
            for n in range(kernels)
        ),
    )
    return replace(made, **fields)  # type: ignore[arg-type]


def test_what_is_added_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "tcscope.db"
    runs = [run(1), run(2, outcome=Outcome.FAILED), run(3, kernels=0, figures=())]
    assert [history.append(path, made) for made in runs] == [True, True, True]
    assert history.read(path) == tuple(runs)


def test_a_commit_has_one_run_of_a_trace(tmp_path: Path) -> None:
    path = tmp_path / "tcscope.db"
    assert history.append(path, run(1))
    before = path.read_bytes()
    assert not history.append(path, run(1, time="2027-01-01T00:00:00", trace="renamed.sqlite"))
    assert path.read_bytes() == before
    assert history.append(path, run(1, digest="d2"))
    assert history.append(path, run(2))
    assert not history.append(path, run(2))
    assert history.append(path, run(commit=""))
    assert not history.append(path, run(commit=""))
    assert [(found.commit[-1:], found.digest) for found in history.read(path)] == [
        *(("1", "d1"), ("1", "d2"), ("2", "d1"), ("", "d1"))
    ]


def write(job: tuple[Path, int]) -> int:
    """One writer: every commit, in an order of its own, so that each is written by all of them at once."""
    path, writer = job
    numbers = [(number + writer) % COMMITS for number in range(COMMITS)]
    return sum(history.append(path, run(number, kernels=KERNELS)) for number in numbers)


def test_concurrent_writers_lose_no_rows_and_double_none(tmp_path: Path) -> None:
    path = tmp_path / "tcscope.db"  # which they begin at once, too
    with ProcessPoolExecutor(WRITERS) as pool:
        added = list(pool.map(write, [(path, writer) for writer in range(WRITERS)]))
    assert sum(added) == COMMITS
    found = history.read(path)
    assert sorted(found, key=lambda made: made.commit) == [run(n, kernels=KERNELS) for n in range(COMMITS)]
    assert [file.name for file in tmp_path.iterdir()] == ["tcscope.db"]


def test_a_writer_that_dies_leaves_nothing_behind(tmp_path: Path) -> None:
    # GIVEN a history, WHEN a writer ends between a run and its kernels
    path = tmp_path / "tcscope.db"
    assert history.append(path, run(1))
    code = (
        "import os\n"
        "from pathlib import Path\n"
        "from tcscope.sources import history\n"
        "from tests.sources.test_history import run\n"
        "history._name_ids = lambda *_: os._exit(7)\n"
        f"history.append(Path({str(path)!r}), run(2))\n"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 7
    # THEN that run isn't there, and can be added
    assert history.read(path) == (run(1),)
    assert history.append(path, run(2))
    assert history.read(path) == (run(1), run(2))


def test_a_run_that_can_t_be_added_whole_is_not_added(tmp_path: Path) -> None:
    path = tmp_path / "tcscope.db"
    assert history.append(path, run(1))
    twice = Figure("tensor_share", Measure.SHARE, 0.5)
    with pytest.raises(UsageError, match="UNIQUE"):
        history.append(path, run(2, figures=(twice, twice)))
    assert history.read(path) == (run(1),)


NAMES = st.text(st.characters(codec="utf-8"), max_size=40)
KERNEL = st.builds(
    KernelTotal,
    NAMES,
    st.sampled_from(Unit),
    st.sampled_from(Precision),
    st.sampled_from(Op),
    st.integers(0, 2**40),
    st.integers(0, 2**62),
)


@settings(max_examples=25)
@given(st.lists(KERNEL, max_size=5), NAMES)
def test_any_names_and_times_are_kept_to_the_nanosecond(
    tmp_path_factory: pytest.TempPathFactory, kernels: list[KernelTotal], name: str
) -> None:
    path = tmp_path_factory.mktemp("history") / "tcscope.db"
    made = run(kernels=0, trace=name, gpu=name, selection=name)
    made = replace(made, kernels=tuple(kernels))
    assert history.append(path, made)
    assert history.read(path) == (made,)


def test_the_file_speaks_for_itself(tmp_path: Path) -> None:
    path = tmp_path / "tcscope.db"
    history.append(path, run(1))
    history.append(path, run(2))
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("pragma integrity_check").fetchall() == [("ok",)]
        assert connection.execute("pragma foreign_key_check").fetchall() == []
        rows = connection.execute("select name, precision, launches, ns from kernel_totals where run = 2").fetchall()
        assert rows == [("kernel_0", "fp16", 20, 2000), ("kernel_1", "fp16", 20, 2001)]
        assert connection.execute("select count(*) from names").fetchone() == (2,)  # long, and kept once


def database(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("create table mine (a)")
        connection.execute("insert into mine values (1)")
        connection.commit()


def other_application(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("pragma application_id = 1196444487")
        connection.commit()


@pytest.mark.parametrize(
    "make",
    [
        lambda path: path.write_bytes(INT8.read_bytes()),
        lambda path: path.write_text('{"schema": "tcscope.report/1"}'),
        lambda path: path.write_bytes(b"SQLite format 3\x00"),
        lambda path: path.write_bytes(b"x"),
        database,
        other_application,
    ],
    ids=["a trace", "a report", "a cut header", "a byte", "a database", "of another program"],
)
def test_what_is_no_history_is_refused_and_stays_as_it_was(make: object, tmp_path: Path) -> None:
    path = tmp_path / "mine.sqlite"
    make(path)  # type: ignore[operator]
    before = path.read_bytes()
    for call in (lambda: history.append(path, run()), lambda: history.read(path)):
        with pytest.raises(UsageError, match="is no history of tcscope") as caught:
            call()
        assert caught.value.hint
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["mine.sqlite"]


def test_an_empty_file_becomes_a_history(tmp_path: Path) -> None:
    path = tmp_path / "tcscope.db"
    path.touch()
    assert history.read(path) == ()
    assert history.append(path, run())
    assert history.read(path) == (run(),)


def test_places_where_no_history_can_be(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such folder"):
        history.append(tmp_path / "no" / "tcscope.db", run())
    with pytest.raises(UsageError, match="directory"):
        history.append(tmp_path, run())
    with pytest.raises(UsageError, match="no such file"):
        history.read(tmp_path / "tcscope.db")
    assert list(tmp_path.iterdir()) == []


def test_a_name_that_sqlite_takes_for_something_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in (":memory:", "file:x?mode=memory", "a b#%?.db"):
        assert history.append(Path(name), run())
        assert history.read(Path(name)) == (run(),)
        assert Path(name).stat().st_size


def test_a_history_of_a_later_tcscope_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "tcscope.db"
    history.append(path, run())
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("pragma user_version = 2")
        connection.commit()
    for call in (lambda: history.append(path, run(2)), lambda: history.read(path)):
        with pytest.raises(UsageError, match="history of another tcscope"):
            call()


def test_a_damaged_history_is_told(tmp_path: Path) -> None:
    path = tmp_path / "tcscope.db"
    history.append(path, run(kernels=300))
    whole = path.read_bytes()
    path.write_bytes(whole[:4096] + b"\xff" * 8192 + whole[12288:])
    with pytest.raises(UsageError, match=r"tcscope\.db"):
        history.append(path, run(2))
    with pytest.raises(UsageError, match=r"tcscope\.db"):
        history.read(path)


def test_another_s_lock_is_waited_for_and_then_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "tcscope.db"
    history.append(path, run())
    monkeypatch.setattr(history, "_WAIT_S", 0.1)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("begin immediate")
        assert history.read(path) == (run(),)
        with pytest.raises(UsageError, match="is being written to"):
            history.append(path, run(2))


SHA = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def _no_build_server(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)


@pytest.mark.usefixtures("_no_build_server")
@pytest.mark.parametrize("variable", VARIABLES)
def test_the_build_server_says_the_commit(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(variable, SHA.upper())
    assert commit() == SHA
    assert commit("v1.2") == "v1.2"


@pytest.mark.usefixtures("_no_build_server")
def test_git_says_the_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    monkeypatch.setenv("GITHUB_SHA", "not a commit")
    assert commit() == ""
    settings = ["-c", "user.name=n", "-c", "user.email=e"]
    subprocess.run(["git", "init", "-q", "."], check=True)
    assert commit() == ""  # no commit yet
    subprocess.run(["git", *settings, "commit", "-q", "--allow-empty", "-m", "m"], check=True)
    head = subprocess.run(["git", "rev-parse", "HEAD"], check=True, capture_output=True, text=True).stdout.strip()
    assert commit() == head
    monkeypatch.setenv("PATH", "")
    assert commit() == ""


@pytest.mark.parametrize("asked", ["", " ", "/home/me/repo", "a b", "../x", "x" * 65, "-rf", "a\n"])
def test_what_is_no_commit_is_refused(asked: str) -> None:
    with pytest.raises(UsageError, match="names no commit"):
        commit(asked)
