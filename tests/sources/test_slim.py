"""`slim`: the copy gives the same analysis and tells of no machine; the list of columns covers every reader."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tcscope import Report, RuleBook, analyze
from tcscope.cli import main
from tcscope.errors import TcscopeError, TraceError
from tcscope.model import RangeLevel
from tcscope.model.leak import Slimmed
from tcscope.sources import NsysTrace
from tcscope.sources.nsys.database import Database
from tcscope.sources.nsys.slim import find_leaks, slim
from tcscope.sources.nsys.slim.plan import KEPT
from tests.support.places import FIXTURES, GRAPHS, INT8, INT8_LAYERS, NO_KERNELS, SHARED_TRACES
from tests.support.traces import VERSIONS, TraceBuilder

BOOK = RuleBook.builtin()
TRACES = sorted([*FIXTURES.glob("*.sqlite"), *SHARED_TRACES.glob("*.sqlite")], key=lambda path: (path.name, str(path)))
SLIMMED_ONCE = [path for path in TRACES if path.parent == FIXTURES or not (FIXTURES / path.name).exists()]
PLANTED = "hunter2-planted"


def made(path: Path, target: Path, **options: Any) -> Slimmed:
    trace = NsysTrace(path)
    with closing(trace):
        return slim(trace, target, **options)


def report_or_error(path: Path, **options: Any) -> Report | tuple[str, str]:
    """The report, the file's name taken out of it, or what went wrong."""
    try:
        report = analyze(path, book=BOOK, **options)
    except TcscopeError as error:
        return error.message.replace(str(path), "T"), error.hint.replace(str(path), "T")
    return Report.from_dict(json.loads(report.to_json().replace(path.name, "T")))


def rows(path: Path, sql: str, *bound: Any) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(path)) as db:
        return list(db.execute(sql, bound))


def tables(path: Path) -> set[str]:
    return {name for (name,) in rows(path, "select name from sqlite_master where type = 'table'")}


class TestThePlan:
    @pytest.fixture
    def asked(self, monkeypatch: pytest.MonkeyPatch) -> set[tuple[str, str]]:
        """(table, column) of everything that SQLite is asked to read from here on."""
        seen: set[tuple[str, str]] = set()
        connect = Database.connect

        def watched(self: Database) -> sqlite3.Connection:
            connection = connect(self)

            def note(action: int, table: str | None, column: str | None, *_: Any) -> int:
                if action == sqlite3.SQLITE_READ and table and column and table != "sqlite_master":
                    seen.add((table, column))
                return sqlite3.SQLITE_OK

            connection.set_authorizer(note)
            return connection

        monkeypatch.setattr(Database, "connect", watched)
        return seen

    def test_every_column_that_a_reader_asks_for_stays(
        self, asked: set[tuple[str, str]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        # GIVEN traces of every schema, and every kind of question
        traces = [INT8, NO_KERNELS, GRAPHS, *FIXTURES.glob("*metrics.sqlite")]
        for version in VERSIONS:
            builder = TraceBuilder(version).gpu().nvtx("r", 0, 90).domain("TensorRT")
            builder.launch("k", 50, 60, call=(10, 20), mangled="_Z1kv").copy(70, 80).memset(80, 85).graph(90, 95)
            builder.capture(START_TRIGGER="Immediate").system(CpuArchitecture="x86_64")
            traces.append(builder.write(tmp_path / f"{version}.sqlite"))
        mangled = tmp_path / "rules.yaml"
        mangled.write_text(MANGLED_RULE)
        questions: list[list[str]] = [
            ["analyze", "--stats", "--rules", str(mangled)],
            ["analyze", "--by", "layer"],
            ["analyze", "--by", "range"],
            ["analyze", "--range", "inference", "--skip", "1"],
            ["analyze", "--layers", str(INT8_LAYERS)],
            ["analyze", "--view", "iterations"],
            ["timeline", "-o", str(tmp_path / "t.json")],
            ["info"],
        ]
        # WHEN all are asked
        for path in traces:
            for command, *options in questions:
                assert main([command, str(path), *options]) in (0, 2, 3)
        capsys.readouterr()
        # THEN SQLite was asked for nothing that a copy has not
        assert len(asked) > 40
        lost = {place for place in asked if place[1] not in (*KEPT.get(place[0], KEPT["StringIds"]).columns, "ROWID")}
        assert lost == set()
        assert {table for table, _ in asked} <= set(KEPT)

    def test_no_column_is_both_a_number_and_a_text(self) -> None:
        for table, kept in KEPT.items():
            assert len(set(kept.columns)) == len(kept.columns), table


MANGLED_RULE = """\
schema: tcscope.rules/1
about: a rule that needs mangled names
rules:
  - id: by-mangled
    title: t
    match: {against: mangled, regex: '_Z1k'}
    unit: cuda_core
    op: gemm
    evidence: {level: named, source: s}
"""

QUESTIONS: dict[str, dict[str, Any]] = {
    "stats": {"stats": True},
    "layer": {"by": ("layer",)},
    "range": {"level": RangeLevel(layers=False), "by": ("range", "unit")},
    "one range": {"range": "inference", "skip": 3, "by": ("layer",)},
}


@pytest.mark.parametrize("path", SLIMMED_ONCE, ids=lambda path: path.stem)
def test_the_analysis_of_the_copy_is_that_of_the_trace(path: Path, tmp_path: Path) -> None:
    target = tmp_path / "slim.sqlite"
    done = made(path, target)
    assert done.bytes_after == target.stat().st_size <= done.bytes_before == path.stat().st_size
    for question, options in QUESTIONS.items():
        assert report_or_error(target, **options) == report_or_error(path, **options), question


def test_layer_files_join_the_copy_as_they_join_the_trace(tmp_path: Path) -> None:
    made(INT8, tmp_path / "slim.sqlite")
    told = {path: report_or_error(path, layers=INT8_LAYERS) for path in (INT8, tmp_path / "slim.sqlite")}
    assert isinstance(told[INT8], Report)
    assert told[INT8] == told[tmp_path / "slim.sqlite"]


@st.composite
def traces(draw: st.DrawFn) -> TraceBuilder:
    """Small traces of several processes, devices and threads, with ranges, copies, graphs and gaps in what is known."""
    builder = TraceBuilder(draw(st.sampled_from(sorted(VERSIONS)))).gpu().gpu(1, sm_count=16)
    name = st.sampled_from(["volta_h884cudnn_a", "ampere_scudnn_b", "void k<1>()", "/home/joe/k"])
    instant = st.integers(0, 400)
    ranges = st.tuples(st.sampled_from(["inference", "/conv/Conv", "r"]), instant, st.integers(0, 200), st.booleans())
    for text, start, length, registered in draw(st.lists(ranges, max_size=8)):
        end = None if draw(st.integers(0, 9)) == 0 else start + length
        kind = draw(st.sampled_from(["push", "push", "start", "mark"]))
        builder.nvtx(text, start, end, kind=kind, registered=registered, pid=draw(st.sampled_from([7, 8])))
    builder.domain("TensorRT", pid=7)
    for _ in range(draw(st.integers(0, 14))):
        start, pid = draw(instant), draw(st.sampled_from([7, 8]))
        corr = draw(st.one_of(st.none(), st.integers(1, 20)))
        place: dict[str, Any] = {"pid": pid, "corr": corr, "device": draw(st.integers(0, 1))}
        end = start + draw(st.integers(-3, 90))
        what = draw(st.sampled_from(["kernel", "kernel", "kernel", "copy", "memset", "graph", "call"]))
        if what == "kernel":
            call = (max(start - 5, 0), start) if draw(st.booleans()) else None
            mangled = draw(st.sampled_from([None, "_Z1kv"]))
            builder.launch(draw(name), start, end, call=call, mangled=mangled, **place)
        elif what == "call":
            api = draw(st.sampled_from(["cudaMalloc", "cudaLaunchKernel_v7000", "cudaGraphLaunch_v10000"]))
            builder.api(api, start, max(end, start), pid=pid, corr=corr)
        else:
            getattr(builder, what)(start, end, **place)
    return builder


@settings(max_examples=60)
@given(builder=traces())
def test_any_copy_gives_the_same_analysis(builder: TraceBuilder, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("any")
    path, target = builder.write(folder / "t.sqlite"), folder / "slim.sqlite"
    made(path, target)
    for question, options in QUESTIONS.items():
        assert report_or_error(target, **options) == report_or_error(path, **options), question


@settings(max_examples=60)
@given(builder=traces(), name=st.sampled_from(["inference", "r"]))
def test_any_cut_gives_the_same_analysis_of_its_range(
    builder: TraceBuilder, name: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("cut")
    path, target = builder.write(folder / "t.sqlite"), folder / "slim.sqlite"
    whole = report_or_error(path, range=name)
    try:
        made(path, target, range=name)
    except TraceError:
        assert isinstance(whole, tuple)
        assert list(folder.iterdir()) == [path]
        return
    if isinstance(whole, Report):
        gone = replace(whole.totals, unplaced_launches=0, unplaced_ns=0)
        cut = report_or_error(target, range=name)
        assert isinstance(cut, Report)
        assert replace(cut, findings=()) == replace(whole, totals=gone, findings=())


class TestTheCut:
    @pytest.mark.parametrize("keep", [1, 7, 20, 99])
    @pytest.mark.parametrize("name", ["inference", None])
    def test_the_first_inferences_are_kept(self, keep: int, name: str | None, tmp_path: Path) -> None:
        # GIVEN twenty inferences, cut after some
        target = tmp_path / "slim.sqlite"
        kept = min(keep, 20)
        done = made(INT8, target, range=name, keep=keep)
        # THEN the instances that are left are the first ones of the trace, to the nanosecond
        whole = analyze(INT8, range="inference", by=("layer",), book=BOOK)
        cut = analyze(target, range="inference", by=("layer",), book=BOOK)
        assert whole.iterations is not None
        assert cut.iterations is not None
        assert done.instances == kept == cut.iterations.count
        assert cut.iterations.instances == whole.iterations.instances[:kept]
        assert cut.totals.kernel_ns == sum(each.kernel_ns for each in whole.iterations.instances[:kept])
        instances = "select count(*) from NVTX_EVENTS join StringIds on id = textId where value = 'inference'"
        assert rows(target, instances) == [(kept,)]
        # AND nothing outside of them is
        assert analyze(target, book=BOOK).totals.launches == cut.totals.launches

    def test_what_lies_outside_is_gone(self, tmp_path: Path) -> None:
        builder = TraceBuilder().gpu().nvtx("warm-up", 0, 50).nvtx("inference", 100, 200).nvtx("inference", 300, 400)
        builder.nvtx("/inner", 110, 150, registered=True).nvtx("/later", 310, 350, registered=True)
        builder.launch("early", 20, 40, call=(10, 15)).launch("first", 130, 140, call=(120, 125))
        builder.launch("second", 330, 340, call=(320, 325)).copy(160, 165, corr=77).api("cudaMemcpy", 155, 158, corr=77)
        for at in range(0, 4_000_000, 200_000):
            builder.row("GPU_METRICS", timestamp=at, typeId=1, metricId=1, value=50)
        path, target = builder.write(tmp_path / "t.sqlite"), tmp_path / "slim.sqlite"
        assert made(path, target, range="inference", keep=1).instances == 1
        strings = {text for (text,) in rows(target, "select value from StringIds")}
        assert strings == {"first", "/inner", "cudaLaunchKernel_v7000", "cudaMemcpy"}
        assert rows(target, "select text from NVTX_EVENTS where text is not null") == [("inference",)]
        assert rows(target, "select count(*) from CUPTI_ACTIVITY_KIND_MEMCPY") == [(1,)]
        assert rows(target, "select max(timestamp) from GPU_METRICS") == [(2_000_000,)]  # ten samples more

    def test_of_sampled_metrics_those_that_are_read_stay(self, tmp_path: Path) -> None:
        names = {
            1: "Tensor Active [Throughput %]",
            2: "GPC Clock Frequency [MHz]",
            3: "VRAM Read Bandwidth",
            4: "sm issue",
        }
        builder = TraceBuilder().gpu().launch("k", 20, 40)
        builder.then("create table TARGET_INFO_GPU_METRICS (typeId integer, metricId integer, metricName text)")
        for number, name in names.items():
            builder.then(f"insert into TARGET_INFO_GPU_METRICS values (1, {number}, '{name}')")
            for at in range(0, 100, 10):
                builder.row("GPU_METRICS", timestamp=at, typeId=1, metricId=number, value=number)
        made(builder.write(tmp_path / "t.sqlite"), tmp_path / "slim.sqlite")
        assert rows(tmp_path / "slim.sqlite", "select metricId, count(*) from GPU_METRICS group by 1") == [
            *((1, 10), (3, 10), (4, 10))
        ]
        left = rows(tmp_path / "slim.sqlite", "select metricName from TARGET_INFO_GPU_METRICS order by metricId")
        assert left == [(names[1],), (names[3],), (names[4],)]

    def test_launches_without_a_call_are_counted(self, tmp_path: Path) -> None:
        builder = TraceBuilder().gpu().nvtx("r", 0, 50).launch("k", 20, 40, call=(10, 15)).launch("lost", 30, 40)
        path = builder.write(tmp_path / "t.sqlite")
        assert made(path, tmp_path / "slim.sqlite", range="r").unplaced == 1

    def test_a_trace_without_inferences_says_what_to_name(self, tmp_path: Path) -> None:
        path = TraceBuilder().gpu().launch("k", 20, 40, call=(10, 15)).write(tmp_path / "t.sqlite")
        with pytest.raises(TraceError, match="shows no inferences") as caught:
            made(path, tmp_path / "slim.sqlite", keep=3)
        assert caught.value.hint.startswith("--range NAME")


def planted(path: Path) -> Path:
    """A trace that holds a secret wherever a real one may."""
    builder = TraceBuilder().gpu().launch("kernel", 100, 250, call=(10, 20), mangled="_Z6kernelv").nvtx("step", 0, 60)
    builder.capture(PROCESS_0_ENVIRONMENT=f"HOSTNAME=gpubox17\nUSER=joe\nTOKEN={PLANTED}")
    builder.capture(PROCESS_0_ARGUMENT_0=f"/home/joe/{PLANTED}.py", PROCESS_0_WORKING_DIR=f"/home/joe/{PLANTED}")
    builder.capture(START_TRIGGER=f"/home/joe/{PLANTED}/start")  # a property that stays, with a value that must not
    builder.system(Hostname=f"{PLANTED}.example.org", DeviceEnvironment=f"A={PLANTED}", CpuArchitecture="x86_64")
    builder.row("META_DATA_EXPORT", name="EXPORT_PARAM_INPUT_FILE", value=f"/home/joe/{PLANTED}.nsys-rep")
    builder.row("TARGET_INFO_GPU", id=1, name="GPU", smCount=16, uuid=f"GPU-{PLANTED}", busLocation=f"0000:{PLANTED}")
    builder.row("TARGET_INFO_SESSION_START_TIME", utcTime="2026-11-23T06:06:53", localTime=f"06:06:53 {PLANTED}")
    builder.row("NVTX_EVENTS", start=5, eventType=34, text=f"mark {PLANTED}", globalTid=1, jsonText=PLANTED)
    builder.text(f"thread-{PLANTED}")
    builder.then(f"create table ThreadNames (nameId integer, priority text default '{PLANTED}')")
    builder.then(f"insert into ThreadNames (nameId) select id from StringIds where value = 'thread-{PLANTED}'")
    builder.then("create table PROCESSES (name text); ")
    builder.then(f"insert into PROCESSES values ('{PLANTED}')")
    builder.then(f"create index told on PROCESSES (name) where name <> '{PLANTED}'")
    builder.then(f"update CUPTI_ACTIVITY_KIND_KERNEL set cacheConfig = '{PLANTED}', graphNodeId = '{PLANTED}'")
    builder.then(f"update NVTX_EVENTS set domainId = cast('{PLANTED}' as blob) where eventType = 59")
    builder.then("create table gone (text)")
    builder.then(f"insert into gone select '{PLANTED}' || value from (select 1 as value union select 2)")
    builder.then("drop table gone")
    return builder.write(path)


def told(path: Path) -> dict[str, set[str]]:
    """The places that `--check` names, by kind."""
    trace = NsysTrace(path)
    with closing(trace):
        found: dict[str, set[str]] = {}
        for leak in find_leaks(trace.db):
            assert leak.examples == ()
            assert leak.count > 0
            found.setdefault(leak.kind, set()).add(leak.place)
        return found


def test_no_report_tells_of_the_machine(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    # GIVEN a trace that does, in a folder that does
    folder = tmp_path / PLANTED
    folder.mkdir()
    path = planted(folder / "t.sqlite")
    with closing(sqlite3.connect(path)) as db:
        db.execute("update CUPTI_ACTIVITY_KIND_KERNEL set graphNodeId = null")
        db.execute("update NVTX_EVENTS set domainId = 0")
        db.commit()
    # WHEN it becomes a report in every format, a page, an inventory and a diff
    for suffix in ("json", "csv", "md", "txt", "html"):
        assert main(["analyze", str(path), "--stats", "--by", "range", "-o", str(tmp_path / f"r.{suffix}")]) == 0
        assert main(["diff", str(path), str(tmp_path / "r.json"), "-o", str(tmp_path / f"d.{suffix}")]) == 0
    for form in ("text", "json"):
        assert main(["info", str(path), "--format", form]) == 0
    # THEN none of them tells
    (tmp_path / "info").write_text(capsys.readouterr().out)
    written = [file for file in tmp_path.iterdir() if file.is_file()]
    assert len(written) == 11
    for file in written:
        for word in (PLANTED, "gpubox17", "joe", str(tmp_path)):
            assert word not in file.read_text(encoding="utf-8"), (file.name, word)


class TestNothingIsTold:
    def test_no_byte_of_a_secret_is_left(self, tmp_path: Path) -> None:
        path, target = planted(tmp_path / "t.sqlite"), tmp_path / "slim.sqlite"
        made(path, target)
        before, after = path.read_bytes(), target.read_bytes()
        for word in (PLANTED, "gpubox17", "joe", "example.org", "ThreadNames", "PROCESSES"):
            for encoding in ("utf-8", "utf-16-le", "utf-16-be"):
                assert (encoding != "utf-8") or word.encode() in before
                assert word.encode(encoding) not in after, word
        assert rows(target, "pragma freelist_count") == [(0,)]
        assert rows(target, "pragma integrity_check") == [("ok",)]
        assert told(target) == {}

    def test_a_trace_in_another_encoding(self, tmp_path: Path) -> None:
        path = tmp_path / "t.sqlite"
        with closing(sqlite3.connect(path)) as db:
            db.execute("pragma encoding = 'UTF-16le'")
            for statement in (
                "create table StringIds (id integer primary key, value text)",
                f"insert into StringIds values (1, 'kernel'), (2, '{PLANTED}')",
                "create table CUPTI_ACTIVITY_KIND_KERNEL (start, end, deviceId, demangledName)",
                "insert into CUPTI_ACTIVITY_KIND_KERNEL values (5, 9, 0, 1)",
            ):
                db.execute(statement)
            db.commit()
        made(path, tmp_path / "slim.sqlite")
        assert PLANTED.encode("utf-16-le") in path.read_bytes()
        for encoding in ("utf-8", "utf-16-le"):
            assert PLANTED.encode(encoding) not in (tmp_path / "slim.sqlite").read_bytes()
        assert report_or_error(tmp_path / "slim.sqlite") == report_or_error(path)

    def test_check_tells_each_kind_with_its_place(self, tmp_path: Path) -> None:
        found = told(planted(tmp_path / "t.sqlite"))
        assert found["environment"] == {
            "META_DATA_CAPTURE.PROCESS_0:ENVIRONMENT",
            "TARGET_INFO_SYSTEM_ENV.DeviceEnvironment",
        }
        assert found["command line"] == {"META_DATA_CAPTURE.PROCESS_0:ARGUMENT_0"}
        assert found["host"] == {"TARGET_INFO_SYSTEM_ENV.Hostname"}
        assert found["path"] == {
            "META_DATA_CAPTURE.PROCESS_0:WORKING_DIR",
            "META_DATA_CAPTURE.START_TRIGGER",
            "META_DATA_EXPORT.EXPORT_PARAM_INPUT_FILE",
        }
        assert found["uuid"] == {"TARGET_INFO_GPU.uuid"}
        assert found["bus address"] == {"TARGET_INFO_GPU.busLocation"}
        assert found["thread name"] == {"StringIds.value", "ThreadNames.priority"}
        assert found["process name"] == {"PROCESSES.name"}
        assert found["local time"] == {"TARGET_INFO_SESSION_START_TIME.localTime"}
        assert found["deleted content"] == {"free pages"}
        assert "CUPTI_ACTIVITY_KIND_KERNEL.cacheConfig" in found["other text"]

    def test_the_hosts_own_name_is_found_in_names_of_ranges(self, tmp_path: Path) -> None:
        builder = TraceBuilder().gpu().launch("k", 1, 2).nvtx("step on gpubox17", 0, 5).nvtx("gpubox171", 0, 5)
        builder.capture(PROCESS_0_ENVIRONMENT="HOSTNAME=gpubox17\nUSER=root")
        assert told(builder.write(tmp_path / "t.sqlite"))["host"] == {"NVTX_EVENTS.text"}

    @pytest.mark.parametrize("path", TRACES, ids=lambda path: f"{path.parent.name}/{path.stem}")
    def test_nothing_is_told_by_the_copy_of_a_real_trace(self, path: Path, tmp_path: Path) -> None:
        made(path, tmp_path / "slim.sqlite")
        assert told(tmp_path / "slim.sqlite") == {}

    def test_names_stay_and_are_counted_unless_paths_are_to_be_cut(self, tmp_path: Path) -> None:
        builder = TraceBuilder().gpu().launch("k", 10, 20).nvtx("load /home/joe/net.onnx", 0, 5)
        path = builder.nvtx("C:\\Users\\joe\\net.onnx", 0, 5, registered=True).write(tmp_path / "t.sqlite")
        assert made(path, tmp_path / "whole.sqlite").telling == 2
        assert told(tmp_path / "whole.sqlite") == {"path": {"NVTX_EVENTS.text", "StringIds.value"}}
        assert made(path, tmp_path / "short.sqlite", short_paths=True).telling == 0
        assert b"joe" not in (tmp_path / "short.sqlite").read_bytes()
        assert rows(tmp_path / "short.sqlite", "select text from NVTX_EVENTS where text is not null") == [
            ("load net.onnx",)
        ]

    def test_tables_that_an_export_lacks_are_not_made(self, tmp_path: Path) -> None:
        made(NO_KERNELS, tmp_path / "slim.sqlite")
        assert "CUPTI_ACTIVITY_KIND_KERNEL" not in tables(tmp_path / "slim.sqlite")
        assert tables(tmp_path / "slim.sqlite") <= tables(NO_KERNELS) & set(KEPT)
