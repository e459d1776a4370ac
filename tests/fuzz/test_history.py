"""Histories: cut, flipped, with anything in any column; and files that are none, which stay as they are."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tcscope import analyze
from tcscope.cli import main
from tests.fuzz.damage import change_schema, damaged
from tests.fuzz.hold import effort, held
from tests.fuzz.test_sqlite import CELLS, SPOKEN
from tests.support.places import FP16, INT8

CONDITION = "--fail-on=tensor_share < 1%"
COLUMNS = {
    "runs": ("id", "commit_id", "time", "trace", "digest", "outcome", "captured", "gpu", "selection"),
    "figures": ("run", "metric", "measure", "value", "noise_ns"),
    "names": ("id", "name"),
    "kernels": ("run", "name_id", "unit", "precision", "op", "launches", "ns"),
}
PLACES = [(table, column) for table, columns in COLUMNS.items() for column in columns]
METRICS = ("tensor_share", "kernel_time", "launches", "precision.int8.share", 'kernel["*"].kernel_time')
asked = st.tuples(st.sampled_from(METRICS), st.sampled_from(["table", "json", "csv"]))


@pytest.fixture(scope="module")
def trace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("trace") / "r.json"
    analyze(INT8).save(path)
    return path


@pytest.fixture(scope="module")
def filled(trace: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A history of two traces and three commits."""
    path = tmp_path_factory.mktemp("history") / "h.db"
    for commit, checked in (("aaaaaaa1", trace), ("aaaaaaa1", FP16), ("bbbbbbb2", trace), ("ccccccc3", trace)):
        assert main(["check", str(checked), CONDITION, "--history", str(path), "--commit", commit]) == 0
    return path


def both(path: Path, trace: Path, question: tuple[str, str]) -> None:
    """Ask it, and add to a copy of it: that fails and changes nothing, or the file is a history that reads again."""
    metric, form = question
    read = held("history", path, metric, "--format", form, folder=path.parent)
    folder = path.parent / "added"
    folder.mkdir()
    target = Path(shutil.copy(path, folder / "h.db"))
    before = target.read_bytes()
    code = added(target, trace)
    assert [file.name for file in folder.iterdir()] == ["h.db"]
    if code:
        assert target.read_bytes() == before
    elif read.code == 0 and metric == "launches":
        assert held("history", target, metric, folder=folder).code == 0
    shutil.rmtree(folder)


def added(history: Path, trace: Path) -> int:
    """The exit code of a check that is added to a history in its own folder."""
    elsewhere = trace.parent
    command = ("check", trace, CONDITION, "--history", history, "--commit", "ddddddd4", "--exit-zero")
    return held(*command, folder=elsewhere, goes_on=False).code


@effort(40)
@given(data=st.data(), question=asked)
def test_bytes_flipped_and_cut(
    filled: Path, trace: Path, data: st.DataObject, question: tuple[str, str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    broken = damaged(filled.read_bytes(), data, 5)
    path = tmp_path_factory.mktemp("bytes") / "h.db"
    path.write_bytes(broken)
    both(path, trace, question)


@effort(40)
@given(
    changes=st.lists(st.tuples(st.sampled_from(PLACES), st.one_of(CELLS, SPOKEN)), min_size=1, max_size=3),
    question=asked,
)
def test_anything_in_any_column(
    filled: Path,
    trace: Path,
    changes: list[tuple[tuple[str, str], Any]],
    question: tuple[str, str],
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    path = Path(shutil.copy(filled, tmp_path_factory.mktemp("cells") / "h.db"))
    with closing(sqlite3.connect(path)) as db:
        db.execute("pragma synchronous = off")
        db.execute("pragma ignore_check_constraints = on")
        for (table, column), value in changes:
            with contextlib.suppress(sqlite3.IntegrityError):  # a key takes no text
                db.execute(f"update or ignore {table} set {column} = ?", (value,))
        db.commit()
    both(path, trace, question)


SCHEMA_CHANGES = (
    "alter table {table} rename column {column} to {column}2",
    "alter table {table} add column {column}2",
    "drop table {table}",
    "alter table {table} rename to {table}2",
    "delete from {table}",
    "drop table {table}; create view {table} as select * from circle; create view circle as select * from {table}",
    "create trigger boom before insert on {table} begin select raise(abort, 'boom'); end",
    "create trigger boom after insert on {table} begin delete from runs; end",
    "pragma user_version = 99",
    "pragma journal_mode = wal",
    "drop view kernel_totals",
    "pragma foreign_keys = on; update {table} set {column} = null",
)


@effort(30)
@given(
    changes=st.lists(st.tuples(st.sampled_from(SCHEMA_CHANGES), st.sampled_from(PLACES)), min_size=1, max_size=2),
    question=asked,
)
def test_a_schema_of_another_kind(
    filled: Path,
    trace: Path,
    changes: list[tuple[str, tuple[str, str]]],
    question: tuple[str, str],
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    path = Path(shutil.copy(filled, tmp_path_factory.mktemp("schema") / "h.db"))
    change_schema(path, changes)
    both(path, trace, question)


NONE = {
    "a trace": INT8.read_bytes(),
    "a text": b"precious\n",
    "a head alone": b"SQLite format 3\x00",
    "the id of a history and nothing else": b"SQLite format 3\x00" + bytes(52) + b"tcSH" + bytes(100),
    "zeros": bytes(4096),
}


@pytest.mark.parametrize("what", NONE)
def test_what_is_no_history_stays_as_it_is(what: str, trace: Path, tmp_path: Path) -> None:
    path = tmp_path / "h.db"
    path.write_bytes(NONE[what])
    held("history", path, folder=tmp_path, codes=(2, 3))
    held("check", trace, CONDITION, "--history", path, "--commit", "ddddddd4", folder=tmp_path, codes=(2, 3))


@effort(60)
@given(metric=st.one_of(SPOKEN, st.sampled_from(['kernel["' + "*a" * 40 + 'b"].share', "9" * 5000, "launches < 3"])))
def test_metrics_of_any_text(filled: Path, metric: str) -> None:
    held("history", filled, f"-- {metric}" if metric.startswith("-") else metric, folder=filled.parent)
    held("history", filled, f"--trace={metric}", folder=filled.parent)


@pytest.mark.parametrize(("table", "column"), [("runs", "commit_id"), ("runs", "gpu"), ("names", "name")])
def test_bytes_where_a_text_belongs(table: str, column: str, filled: Path, tmp_path: Path) -> None:
    path = Path(shutil.copy(filled, tmp_path / "h.db"))
    with closing(sqlite3.connect(path)) as db:
        db.execute(f"update {table} set {column} = ? where rowid = 1", (b"\xff\x1b",))
        db.commit()
    assert "is damaged" in held("history", path, folder=tmp_path, codes=(2,)).err
