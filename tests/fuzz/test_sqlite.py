"""Broken SQLite files: cut, flipped, of another schema, with anything in any column."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fuzz.damage import change_schema, put
from tests.fuzz.hold import effort, held
from tests.support.traces import TABLES, TraceBuilder

COMMANDS: tuple[tuple[str, ...], ...] = (
    ("analyze",),
    ("analyze", "--stats", "--format", "json"),
    ("analyze", "--by", "layer", "--format", "md"),
    ("analyze", "--by", "range", "--format", "csv"),
    ("analyze", "--range", "r", "--skip", "1"),
    ("info",),
    ("info", "--format", "json"),
    ("rules", "coverage"),
    ("slim", "--check"),
    ("slim", "--check", "--show"),
)
commands = st.sampled_from(COMMANDS)


def codes(command: tuple[str, ...]) -> tuple[int, ...]:
    return (0, 1, 2, 3) if command[0] == "slim" else (0, 2, 3)


def whole() -> TraceBuilder:
    """A trace with a row in every table."""
    builder = TraceBuilder("2025.3").gpu(chip="GH100").cuda_device(0, 0).domain("TensorRT")
    builder.nvtx("r", 0, 60).nvtx("r", 70, 160, registered=True).nvtx("/conv", 8, 30, registered=True)
    builder.launch("ampere_h16816gemm_a", 50, 60, call=(10, 20), mangled="_Z1kv").launch(
        "k<1>", 120, 133, call=(80, 90)
    )
    builder.copy(70, 80).memset(80, 85, corr=3).graph(90, 95).api("cudaGraphLaunch", 1, 2, corr=4)
    builder.capture(START_TRIGGER="Immediate").system(CpuArchitecture="x86_64", CudaDriverVersion="12040")
    builder.row("TARGET_INFO_SESSION_START_TIME", utcEpochNs=1, utcTime="2026-11-23T06:06:53")
    for at in range(0, 200, 10):
        builder.row("GPU_METRICS", timestamp=at, typeId=1, metricId=1, value=50)
    builder.then("create table TARGET_INFO_GPU_METRICS (typeId integer, metricId integer, metricName text)")
    return builder.then("insert into TARGET_INFO_GPU_METRICS values (1, 1, 'Tensor Active [Throughput %]')")


@effort(40)
@given(command=commands, data=st.data())
def test_bytes_flipped_cut_out_and_put_in(
    file: bytes, command: tuple[str, ...], data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    damaged = bytearray(file)
    for _ in range(data.draw(st.integers(1, 8))):
        at = data.draw(st.one_of(st.integers(0, 110), st.integers(0, max(len(damaged) - 1, 0))))
        kind = data.draw(st.sampled_from(["flip", "noise", "cut", "out", "repeat"]))
        if kind == "flip" and at < len(damaged):
            damaged[at] ^= 1 << data.draw(st.integers(0, 7))
        elif kind == "noise":
            damaged[at : at + 8] = data.draw(st.binary(min_size=8, max_size=8))
        elif kind == "cut":
            del damaged[at:]
        elif kind == "out":
            del damaged[at : at + data.draw(st.integers(1, 5000))]
        else:
            damaged[at:at] = damaged[at : at + 64]
    path = tmp_path_factory.mktemp("bytes") / "t.sqlite"
    path.write_bytes(damaged)
    held(*command, path, folder=path.parent, codes=codes(command))


@effort(20)
@given(command=commands, page=st.integers(0, 60), offset=st.integers(0, 200), noise=st.binary(min_size=1, max_size=40))
def test_noise_in_the_head_of_a_page(
    file: bytes,
    command: tuple[str, ...],
    page: int,
    offset: int,
    noise: bytes,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """Where SQLite keeps its own pointers: cells, freeblocks, children."""
    damaged = bytearray(file)
    at = page * 4096 % len(damaged) + offset + (100 if page == 0 else 0)
    damaged[at : at + len(noise)] = noise
    path = tmp_path_factory.mktemp("page") / "t.sqlite"
    path.write_bytes(damaged)
    held(*command, path, folder=path.parent, codes=codes(command))


HUGE = (2**63 - 1, -(2**63), 2**62, -(2**62), 2**53 + 1, 2**32, -1, 0)
CELLS: st.SearchStrategy[Any] = st.one_of(
    st.none(),
    st.sampled_from(HUGE),
    st.integers(-(2**63), 2**63 - 1),
    st.sampled_from([float("inf"), float("-inf"), 0.5, -1e300, 1e19]),
    st.sampled_from(
        ["", "12", "0x10", "abc", "\x1b[31mred\x1b]0;title\x07", "a\nb\r\n", "\u202egnp.exe", "a\x00b", "²"]
    ),
    st.text(max_size=12).filter(lambda text: not any(0xD800 <= ord(c) < 0xE000 for c in text)),
    st.binary(max_size=12),
    st.just(b"\xff\xfe\x80broken"),
)
COLUMNS = [
    (table, word.rstrip("!").partition(":")[0])
    for table, declared in TABLES.items()
    for word in declared.split()
    if not word.startswith("{") and table != "EXPORT_META_DATA"
]
NUMBERS = ("integer", "int", "text", "blob", "real", "numeric", "")


@effort(50)
@given(
    command=commands,
    changes=st.lists(st.tuples(st.sampled_from(COLUMNS), CELLS), min_size=1, max_size=5),
    data=st.data(),
)
def test_anything_in_any_column(
    untyped: bytes,
    command: tuple[str, ...],
    changes: list[tuple[tuple[str, str], Any]],
    data: st.DataObject,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    path = tmp_path_factory.mktemp("cells") / "t.sqlite"
    path.write_bytes(untyped)
    put(path, changes, data)
    held(*command, path, folder=path.parent, codes=codes(command))


SCHEMA_CHANGES = (
    'alter table {table} drop column "{column}"',
    'alter table {table} rename column "{column}" to "{column}2"',
    'alter table {table} rename column "{column}" to "ROWID"',
    'alter table {table} add column "{column} ""x; drop table y"',
    "drop table {table}",
    "alter table {table} rename to {table}_v2",
    "delete from {table}",
    "insert into {table} select * from {table}",
    "create table other as select * from {table}; drop table {table}; create view {table} as select * from other",
    "drop table {table}; create view {table} as select * from circle; create view circle as select * from {table}",
    "drop table {table}; create virtual table {table} using fts5({column})",
    "drop table {table}; create table {table} (x primary key) without rowid",
    "create table t2 as select * from {table}; drop table {table}; create table {table} as select *, 1 rowid from t2",
    "create trigger boom after insert on {table} begin select raise(abort, 'boom'); end",
    "drop table {table}; create table {table} (a, b as (zeroblob(1000000)), {column} as (a + 9223372036854775807))",
    'create index "an index" on {table} ("{column}" desc)',
    'create table "{table} \' "" ]" (x)',
    "pragma application_id = 12345; pragma user_version = 99",
)


@effort(50)
@given(
    command=commands,
    changes=st.lists(st.tuples(st.sampled_from(SCHEMA_CHANGES), st.sampled_from(COLUMNS)), min_size=1, max_size=4),
)
def test_a_schema_of_another_kind(
    command: tuple[str, ...],
    changes: list[tuple[str, tuple[str, str]]],
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    path = whole().write(tmp_path_factory.mktemp("schema") / "t.sqlite")
    change_schema(path, changes)
    held(*command, path, folder=path.parent, codes=codes(command))


SPOKEN = st.text(
    alphabet=st.one_of(
        st.sampled_from("\x00\x07\x08\x09\x0a\x0d\x1b\x7f\x85\x9b\u2028\u202e\u2066\ufeff\u200b|`<>&*_[]\"'\\:;{}%$"),
        st.characters(exclude_categories=["Cs"]),
    ),
    max_size=30,
)


@effort(12)
@given(
    names=st.lists(SPOKEN, min_size=1, max_size=4),
    ranges=st.lists(SPOKEN, max_size=4),
    form=st.sampled_from(["table", "json", "csv", "md"]),
    options=st.sampled_from([(), ("--by", "layer"), ("--by", "range"), ("--full-names",), ("--view", "kernels")]),
)
def test_names_that_would_steer_a_terminal(
    names: list[str],
    ranges: list[str],
    form: str,
    options: tuple[str, ...],
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    builder = TraceBuilder().gpu(name="GPU \x1b[2J").domain("TensorRT").system(CpuArchitecture="x\x1b[31m")
    for number, name in enumerate(names):
        builder.launch(name, 100 * number + 50, 100 * number + 70, call=(100 * number + 10, 100 * number + 20))
    for number, name in enumerate(ranges):
        builder.nvtx(name, 100 * number, 100 * number + 90, registered=number % 2 == 0)
    path = builder.write(tmp_path_factory.mktemp("names") / "t.sqlite")
    if "--view" in options and form == "md":
        form = "table"
    said = held("analyze", path, *options, "--format", form, folder=path.parent)
    if "--by" not in options and "--view" not in options:
        assert said.code == 0
    held("info", path, folder=path.parent)
    held("rules", "coverage", path, "--format", "yaml", folder=path.parent)
    held("analyze", path, "--range", (ranges or names)[0], folder=path.parent)
