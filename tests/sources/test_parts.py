"""Large tables read in parts: the same rows as in one piece, in their order, whatever the row ids and indexes are."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tcscope import analyze
from tcscope.errors import TraceError
from tcscope.model import Selection
from tcscope.progress import tell, watched_by
from tcscope.sources import NsysTrace
from tcscope.sources.nsys import nvtx, parts, rows, totals
from tcscope.sources.nsys.database import Database
from tcscope.sources.nsys.parts import each_part
from tcscope.sources.nsys.rows import read_columns
from tests.support.traces import TraceBuilder

KERNEL = "CUPTI_ACTIVITY_KIND_KERNEL"
COLUMNS = ("start", "end", "deviceId", "globalPid", "correlationId", "demangledName", "graphNodeId")
RANDOM = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(autouse=True, params=[1, 3], ids=["one thread", "three threads"])
def _small_parts(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "processors", lambda: request.param)
    monkeypatch.setattr(parts, "_SMALLEST_ROW", 1)
    monkeypatch.setattr(rows, "_ROWS", 3)
    monkeypatch.setattr(totals, "_ROWS", 3)


def plain(path: Path, sql: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(path)) as db:
        return db.execute(sql).fetchall()


def launches(path: Path, count: int = 10) -> TraceBuilder:
    builder = TraceBuilder().gpu()
    for at in range(count):
        builder.launch(f"k{at % 3}", 100 * at, 100 * at + at)
    path.unlink(missing_ok=True)
    return builder


SMALL = st.integers(-3, 3)
ANY = st.none() | SMALL | st.integers(-(1 << 63), (1 << 63) - 1)
ROW = st.fixed_dictionaries(
    {"start": st.integers(0, 1 << 60), "end": SMALL | st.none()} | dict.fromkeys(COLUMNS[2:], ANY)
)


@RANDOM
@given(found=st.lists(ROW, max_size=14), device=st.none() | st.integers(-3, 3), gone=st.sets(st.integers(1, 14)))
def test_columns_equal_plain_sql(
    found: list[dict[str, int | None]], device: int | None, gone: set[int], tmp_path: Path
) -> None:
    # GIVEN any values, gaps in the row ids, and an index by which SQLite might like to read
    path = tmp_path / "t.sqlite"
    path.unlink(missing_ok=True)
    with closing(sqlite3.connect(path)) as db, db:
        db.execute(f"create table {KERNEL} ({', '.join(COLUMNS)})")
        db.executemany(f"insert into {KERNEL} values ({', '.join('?' * 7)})", [[r[c] for c in COLUMNS] for r in found])
        db.execute(f"create index i on {KERNEL} (deviceId, start)")
        db.executemany(f"delete from {KERNEL} where rowid = ?", [(rowid,) for rowid in gone])
    # WHEN they are read, all or those of one device
    where, bound = ("deviceId = ? or 0", (device,)) if device is not None else (None, ())
    base = Database(path)
    read = read_columns(base, KERNEL, COLUMNS, where, bound, {"late": "start > 9"})
    base.close()
    # THEN they are what SQLite says, a NULL as -1
    listed = ", ".join(f'coalesce("{name}", -1)' for name in COLUMNS)
    condition = "1" if device is None else f"deviceId = {device}"
    expected = plain(path, f"select {listed}, start > 9 from {KERNEL} where {condition} order by rowid")
    assert list(zip(*(read[name].tolist() for name in (*COLUMNS, "late")), strict=True)) == expected


@pytest.mark.parametrize("value", ["'x'", "1.5", "'1,2'", "x'ff31'", "''", "1e30", "'7 8'"])
@pytest.mark.parametrize("column", ["start", "deviceId", "correlationId"])
def test_what_is_no_whole_number_is_refused(value: str, column: str, tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "t.sqlite")) as db, db:
        db.execute(f"create table {KERNEL} ({', '.join(COLUMNS)})")
        for _ in range(5):
            db.execute(f"insert into {KERNEL} values (1, 2, 0, 0, 5, 6, null)")
        db.execute(f"update {KERNEL} set {column} = {value} where rowid = 4")
    base = Database(tmp_path / "t.sqlite")
    with pytest.raises(TraceError, match="what nsys doesn't write"):
        read_columns(base, KERNEL, COLUMNS)
    base.close()


@pytest.mark.parametrize("last", [1 << 62, (1 << 63) - 1])
def test_row_ids_far_apart_take_no_longer(last: int, tmp_path: Path) -> None:
    path = tmp_path / "t.sqlite"
    builder = launches(path).then(f"update {KERNEL} set rowid = {last} where start = 900")
    path = builder.then(f"update {KERNEL} set rowid = -5 where start = 100").write(path)
    trace = NsysTrace(path)
    assert sum(found.ns for found in trace.select(Selection()).launches) == sum(range(10))
    assert analyze(path, stats=True).totals.launches == 10
    assert len(list(each_part(trace.db, KERNEL, 3, lambda _, first, end: (first, end)))) < trace.db.size
    trace.close()


def test_texts_of_ranges_stay_with_their_times_under_an_index_of_others(tmp_path: Path) -> None:
    # GIVEN ranges whose texts fall as their row ids rise, and an index over their kinds and texts
    builder = TraceBuilder().gpu().then("create index i on NVTX_EVENTS (eventType, text, start)")
    for at in range(9):
        builder.nvtx(f"range {9 - at}", 100 * at, 100 * at + 50, registered=at == 4)
        builder.launch("k", 100 * at, 100 * at + at + 1, call=(100 * at + 10, 100 * at + 20))
    report = analyze(builder.write(tmp_path / "t.sqlite"), by=["range"])
    assert {group.keys[0]: group.ns for group in report.groups} == {f"range {9 - at}": at + 1 for at in range(9)}


def test_parts_come_in_order_and_are_told(tmp_path: Path) -> None:
    base = Database(launches(tmp_path / "t.sqlite", 20).write(tmp_path / "t.sqlite"))
    told: list[tuple[str, int, int]] = []
    with watched_by(lambda what, done, of: told.append((what, done, of))):
        found = list(each_part(base, KERNEL, 3, lambda _, first, end: (first, end)))
    assert [at for first, end in found for at in range(first, end)] == list(range(1, 21))
    assert {(what, of) for what, _, of in told} == {("launches", 20)}
    assert [done for _, done, _ in told] == sorted(end - 1 for _, end in found)
    assert told[-1] == ("launches", 20, 20)
    tell("launches", 1, 2)  # nobody watches any more
    assert told[-1] == ("launches", 20, 20)
    base.close()


def test_an_error_in_one_part_ends_the_reading(tmp_path: Path) -> None:
    base = Database(launches(tmp_path / "t.sqlite").write(tmp_path / "t.sqlite"))

    def fail(connection: sqlite3.Connection, first: int, end: int) -> int:
        return int(connection.execute("select no_such_column from StringIds").fetchone()[0]) + first + end

    with pytest.raises(TraceError, match="no such column"):
        list(each_part(base, KERNEL, 3, fail))
    base.close()


NAMES = """
select coalesce(n.text, s.value) as name, count(*), sum(n."end" - n.start)
from NVTX_EVENTS n left join StringIds s on s.id = n.textId
where n.eventType in (59, 60) and name is not null group by name order by 3 desc, 1
"""


def test_ranges_are_counted_by_name_over_all_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nvtx, "_ROWS", 3)
    builder = TraceBuilder().gpu()
    for at in range(20):
        kind = ("push", "start", "mark")[at % 3]
        builder.nvtx(f"range {at % 4}", 10 * at, 10 * at + at, registered=at % 2 == 0, kind=kind)
    builder.row("NVTX_EVENTS", start=1, end=5, eventType=59)  # without a name
    path = builder.write(tmp_path / "t.sqlite")
    base = Database(path)
    counted = [(found.name, found.instances, found.ns) for found in nvtx.range_counts(base)]
    base.close()
    assert counted == plain(path, NAMES)
    assert len(counted) == 4
