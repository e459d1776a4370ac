"""What writes a file from a broken trace: it is written whole, or nothing is left behind."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fuzz.damage import change_schema, damaged, put
from tests.fuzz.hold import effort, held
from tests.fuzz.test_sqlite import CELLS, COLUMNS, SCHEMA_CHANGES, SPOKEN
from tests.support.traces import TraceBuilder

WRITERS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("slim", ("slim.sqlite",)),
    ("slim", ("slim.sqlite", "--range", "r", "--keep", "1")),
    ("slim", ("slim.sqlite", "--short-paths")),
    ("timeline", ("t.perfetto",)),
    ("timeline", ("t.json",)),
    ("timeline", ("t.pftrace.gz", "--range", "r")),
)
writers = st.sampled_from(WRITERS)
INVALID = b"\xff\xfe\x80"  # no UTF-8, and yet a text to SQLite


def written(path: Path, writer: tuple[str, tuple[str, ...]]) -> None:
    """Write from the trace into an empty folder, and see what is in there; the copy of a trace is a trace."""
    command, (name, *options) = writer
    folder = path.parent / "out"
    folder.mkdir()
    said = held(command, path, "-o", folder / name, *options, folder=path.parent)
    left = [file.name for file in folder.iterdir()]
    assert left == ([name] if said.code == 0 else [])
    if command == "slim" and said.code == 0:
        assert held("info", folder / name, folder=folder).code == 0
        with closing(sqlite3.connect(folder / name)) as db:
            assert db.execute("pragma integrity_check").fetchone() == ("ok",)


@pytest.mark.parametrize("writer", WRITERS, ids=lambda writer: " ".join((writer[0], *writer[1])))
def test_a_sound_trace(file: bytes, writer: tuple[str, tuple[str, ...]], tmp_path: Path) -> None:
    (tmp_path / "t.sqlite").write_bytes(file)
    written(tmp_path / "t.sqlite", writer)
    assert list((tmp_path / "out").iterdir())


@effort(40)
@given(writer=writers, data=st.data())
def test_bytes_flipped_and_cut(
    file: bytes, writer: tuple[str, tuple[str, ...]], data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    broken = damaged(file, data, 6)
    path = tmp_path_factory.mktemp("bytes") / "t.sqlite"
    path.write_bytes(broken)
    written(path, writer)


@effort(50)
@given(
    writer=writers,
    changes=st.lists(st.tuples(st.sampled_from(COLUMNS), st.one_of(CELLS, SPOKEN)), min_size=1, max_size=4),
    data=st.data(),
)
def test_anything_in_any_column(
    untyped: bytes,
    writer: tuple[str, tuple[str, ...]],
    changes: list[tuple[tuple[str, str], Any]],
    data: st.DataObject,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    path = tmp_path_factory.mktemp("cells") / "t.sqlite"
    path.write_bytes(untyped)
    put(path, changes, data, ("?", "?", "cast(? as text)"))
    written(path, writer)


@effort(40)
@given(
    writer=writers,
    changes=st.lists(st.tuples(st.sampled_from(SCHEMA_CHANGES), st.sampled_from(COLUMNS)), min_size=1, max_size=3),
)
def test_a_schema_of_another_kind(
    file: bytes,
    writer: tuple[str, tuple[str, ...]],
    changes: list[tuple[str, tuple[str, str]]],
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    path = tmp_path_factory.mktemp("schema") / "t.sqlite"
    path.write_bytes(file)
    change_schema(path, changes)
    written(path, writer)


TEXTS = (
    ("StringIds", "value"),
    ("NVTX_EVENTS", "text"),
    ("META_DATA_CAPTURE", "name"),
    ("META_DATA_CAPTURE", "value"),
    ("TARGET_INFO_SYSTEM_ENV", "name"),
    ("TARGET_INFO_GPU_METRICS", "metricName"),
    ("TARGET_INFO_GPU", "name"),
)


@pytest.mark.parametrize("place", TEXTS, ids=".".join)
@pytest.mark.parametrize("writer", WRITERS, ids=lambda writer: " ".join((writer[0], *writer[1])))
def test_texts_that_are_no_utf_8(
    place: tuple[str, str], writer: tuple[str, tuple[str, ...]], untyped: bytes, tmp_path: Path
) -> None:
    path = tmp_path / "t.sqlite"
    path.write_bytes(untyped)
    with closing(sqlite3.connect(path)) as db:
        db.execute(f"update {place[0]} set {place[1]} = cast(? || {place[1]} as text)", (INVALID,))
        db.commit()
    written(path, writer)


@effort(15)
@given(writer=writers, names=st.lists(SPOKEN, min_size=2, max_size=4))
def test_names_of_any_text(
    writer: tuple[str, tuple[str, ...]], names: list[str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    builder = TraceBuilder().gpu(name="GPU \x1b[2J").nvtx("r", 0, 900).nvtx(names[0], 5, 800, registered=True)
    for number, name in enumerate(names):
        builder.launch(name, 100 * number + 50, 100 * number + 70, call=(100 * number + 10, 100 * number + 20))
    written(builder.write(tmp_path_factory.mktemp("names") / "t.sqlite"), writer)
