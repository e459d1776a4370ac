"""Totals against plain SQL and plain Python, on random traces."""

from __future__ import annotations

import sqlite3
import statistics
from collections import defaultdict
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tcscope import RuleBook, analyze
from tcscope.errors import TraceError
from tcscope.model import Selection
from tcscope.sources import NsysTrace
from tcscope.sources.nsys import parts, totals
from tests.support.traces import TraceBuilder

BOOK = RuleBook.builtin()
RANDOM = settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])

# a pid of one process, one with its highest bit set, and one whose globalPid is a negative number; the last two
# processes have the same pid on two hosts
PROCESSES = ((1771, 1), (0xABCDEF, 1), (1771, 0xFF01))
NAMES = ("sm80_xmma_gemm_i8i8_i8i32_f32_tn_n_tilesize64x64x64_tensor16x8x32", "relu", "kernel<float, (int)3>")


@dataclass(frozen=True)
class Launch:
    """One random launch; `name` counts string ids, of which two hold the same text."""

    name: int
    start: int
    ns: int
    device: int
    process: int
    context: int
    corr: int | None
    has_mangled: bool

    @property
    def text(self) -> str:
        return NAMES[self.name % len(NAMES)]

    @property
    def counted(self) -> int:
        return max(self.ns, 0)


def launches(devices: int = 3, processes: int = len(PROCESSES)) -> st.SearchStrategy[list[Launch]]:
    one = st.builds(
        Launch,
        name=st.integers(0, 2 * len(NAMES) - 1),
        start=st.integers(0, 2_000),
        ns=st.integers(-40, 400) | st.just(0),
        device=st.integers(0, devices - 1),
        process=st.integers(0, processes - 1),
        context=st.integers(1, 2),
        corr=st.none() | st.integers(0, 9),
        has_mangled=st.booleans(),
    )
    return st.lists(one, min_size=1, max_size=30)


UNIFORM = launches(devices=1, processes=1)
# halves of one device and process each, one uniform and one mixed, both mixed, any
TRACES = UNIFORM | st.tuples(UNIFORM, launches()).map(lambda halves: halves[0] + halves[1]) | launches()


def write(found: list[Launch], path: Path) -> Path:
    builder = TraceBuilder().gpu(0).gpu(1, "NVIDIA A100", "8.0").gpu(2, "NVIDIA T4", "7.5")
    ids = [builder.text(name, again=again) for again in (False, True) for name in NAMES]
    for launch in found:
        pid, host = PROCESSES[launch.process]
        builder.launch(
            ids[launch.name],
            launch.start,
            launch.start + launch.ns,
            device=launch.device,
            pid=pid,
            host=host,
            context=launch.context,
            corr=launch.corr,
            mangled="_Z1k" if launch.has_mangled else None,
        )
    return builder.write(path)


Key = tuple[str, int, int]
Counts = dict[Key, tuple[int, int, int, int]]

PLAIN_SQL = """
select s.value, k.deviceId, (k.globalPid >> 24) & 16777215, count(*),
       sum(case when k."end" > k.start then k."end" - k.start else 0 end),
       min(case when k."end" > k.start then k."end" - k.start else 0 end),
       max(case when k."end" > k.start then k."end" - k.start else 0 end)
from CUPTI_ACTIVITY_KIND_KERNEL k join StringIds s on s.id = k.demangledName
group by s.value, k.deviceId, (k.globalPid >> 24) & 16777215
"""


def by_plain_sql(path: Path) -> Counts:
    with closing(sqlite3.connect(path)) as db:
        return {
            (name, device, pid): (n, ns, low, high) for name, device, pid, n, ns, low, high in db.execute(PLAIN_SQL)
        }


def by_tcscope(path: Path, selection: Selection | None = None) -> Counts:
    trace = NsysTrace(path)
    selected = trace.select(selection or Selection())
    trace.close()
    found = {(s.name, s.device, s.process): (s.launches, s.ns, s.min_ns, s.max_ns) for s in selected.launches}
    assert len(found) == len(selected.launches)
    return found


def by_hand(found: list[Launch]) -> Counts:
    grouped: dict[Key, list[int]] = defaultdict(list)
    for launch in found:
        grouped[launch.text, launch.device, PROCESSES[launch.process][0]].append(launch.counted)
    return {key: (len(ns), sum(ns), min(ns), max(ns)) for key, ns in grouped.items()}


@pytest.fixture(params=["one thread", "two threads"])
def threads(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "two threads":
        monkeypatch.setattr(totals, "_ROWS", 2)
        monkeypatch.setattr(parts, "_SMALLEST_ROW", 1)
        monkeypatch.setattr(parts, "processors", lambda: 2)
    return str(request.param)


@pytest.mark.usefixtures("threads")
@RANDOM
@given(found=TRACES)
def test_totals_equal_plain_sql(found: list[Launch], tmp_path: Path) -> None:
    path = write(found, tmp_path / "t.sqlite")
    assert by_tcscope(path) == by_plain_sql(path) == by_hand(found)


@pytest.mark.usefixtures("threads")
@RANDOM
@given(found=TRACES, gone=st.sets(st.integers(1, 30)))
def test_gaps_in_the_row_ids_lose_nothing(found: list[Launch], gone: set[int], tmp_path: Path) -> None:
    path = write(found, tmp_path / "t.sqlite")
    kept = [launch for rowid, launch in enumerate(found, start=1) if rowid not in gone]
    with closing(sqlite3.connect(path)) as db, db:
        db.executemany("delete from CUPTI_ACTIVITY_KIND_KERNEL where rowid = ?", [(rowid,) for rowid in gone])
    if kept:
        assert by_tcscope(path) == by_hand(kept)
    else:
        with pytest.raises(TraceError, match="holds no kernels"):
            by_tcscope(path)


@pytest.mark.usefixtures("threads")
@RANDOM
@given(found=TRACES)
def test_negative_durations_are_counted(found: list[Launch], tmp_path: Path) -> None:
    path = write(found, tmp_path / "t.sqlite")
    assert NsysTrace(path).select(Selection()).negative == sum(launch.ns < 0 for launch in found)


@RANDOM
@given(found=TRACES, device=st.integers(0, 2))
def test_one_device(found: list[Launch], device: int, tmp_path: Path) -> None:
    path = write(found, tmp_path / "t.sqlite")
    kept = [launch for launch in found if launch.device == device]
    if not kept:
        known = ", ".join(map(str, sorted({launch.device for launch in found})))
        with pytest.raises(TraceError, match=f"no kernel on device {device}") as error:
            by_tcscope(path, Selection(device=device))
        assert error.value.hint == f"--device takes one of: {known}"
        return
    assert by_tcscope(path, Selection(device=device)) == by_hand(kept)
    report = analyze(path, device=device, stats=True, book=BOOK)
    assert report.totals.negative_launches == sum(launch.ns < 0 for launch in kept)
    assert [d.index for d in report.trace.devices] == [device]
    assert report.totals.busy_ns == covered(kept)


@RANDOM
@given(found=TRACES, skip=st.integers(1, 35))
def test_skip_leaves_out_the_first_launches(found: list[Launch], skip: int, tmp_path: Path) -> None:
    path = write(found, tmp_path / "t.sqlite")
    kept = sorted(found, key=lambda launch: launch.start)[skip:]  # of two that start together, the first in the file
    if kept:
        assert by_tcscope(path, Selection(skip=skip)) == by_hand(kept)
    else:
        with pytest.raises(TraceError, match=f"--skip {skip} leaves nothing"):
            by_tcscope(path, Selection(skip=skip))


@RANDOM
@given(found=TRACES)
def test_medians_and_busy_time(found: list[Launch], tmp_path: Path) -> None:
    report = analyze(write(found, tmp_path / "t.sqlite"), stats=True, book=BOOK)
    durations: dict[str, list[int]] = defaultdict(list)
    for launch in found:
        durations[launch.text].append(launch.counted)
    assert {kernel.name: kernel.median_ns for kernel in report.kernels} == {
        name: round(statistics.median(ns)) for name, ns in durations.items()
    }
    assert report.totals.busy_ns == sum(
        covered([launch for launch in found if launch.device == device]) for device in range(3)
    )


def covered(found: list[Launch]) -> int:
    """Nanoseconds that lie in at least one launch, counted one by one."""
    return len({at for launch in found for at in range(launch.start, launch.start + launch.ns)})


def test_medians_of_one_name_on_two_devices_and_in_two_processes_are_one(tmp_path: Path) -> None:
    builder = TraceBuilder().gpu(0).gpu(1)
    for ns, device, pid in ((10, 0, 1), (20, 1, 2), (70, 1, 1), (90, 0, 2), (1000, 0, 1)):
        builder.launch("k", 100, 100 + ns, device=device, pid=pid)
    (kernel,) = analyze(builder.write(tmp_path / "t.sqlite"), stats=True).kernels
    assert (kernel.median_ns, kernel.min_ns, kernel.max_ns, kernel.ns, kernel.launches) == (70, 10, 1000, 1190, 5)
    assert len(kernel.places) == 4


def test_medians_and_busy_time_are_none_unless_asked_for(tmp_path: Path) -> None:
    report = analyze(TraceBuilder().gpu().launch("k", 1, 5).write(tmp_path / "t.sqlite"))
    assert report.totals.busy_ns is None
    assert [kernel.median_ns for kernel in report.kernels] == [None]


@pytest.mark.parametrize("table", ["MEMCPY", "MEMSET", "GRAPH_TRACE"])
def test_what_ran_beside_is_summed_by_device(table: str, tmp_path: Path) -> None:
    builder = TraceBuilder().gpu(0).gpu(1).launch("k", 0, 5).launch("k", 0, 7, device=1)
    add = {"MEMCPY": builder.copy, "MEMSET": builder.memset, "GRAPH_TRACE": builder.graph}[table]
    for start, end, device, pid in ((10, 14, 0, 1), (20, 19, 0, 2), (30, 31, 1, 1), (40, 42, 1, 2)):
        add(start, end, device=device, pid=pid)
    path = builder.write(tmp_path / "t.sqlite")

    def sums(report_of: int | None) -> tuple[int, int]:
        found = analyze(path, device=report_of, book=BOOK).totals
        values = {
            "MEMCPY": (found.copies, found.copy_ns),
            "MEMSET": (found.sets, found.set_ns),
            "GRAPH_TRACE": (found.graph_launches, found.graph_ns),
        }
        assert found.kernel_ns == {None: 12, 0: 5, 1: 7}[report_of]
        return values[table]

    assert (sums(None), sums(0), sums(1)) == ((4, 7), (2, 4), (2, 3))


def test_times_past_32_bits(tmp_path: Path) -> None:
    start = 1 << 62
    path = TraceBuilder().gpu().launch("k", start, start + (1 << 40)).write(tmp_path / "t.sqlite")
    assert analyze(path, stats=True).totals.kernel_ns == 1 << 40


@pytest.fixture(autouse=True)
def _no_leftovers(tmp_path: Path) -> Iterator[None]:
    yield
    assert {path.name for path in tmp_path.iterdir()} <= {"t.sqlite"}, "reading made files"
