"""`--range` against a quadratic join written in plain Python, and each of its rules by example."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from tcscope import RuleBook, analyze
from tcscope.errors import TraceError
from tcscope.model import Selection
from tcscope.sources import NsysTrace
from tests.support.traces import PID, TraceBuilder, global_pid, global_tid

BOOK = RuleBook.builtin()
RANDOM = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
PROCESSES = ((7, 1), (9, 1), (7, 0x8001))  # (pid, host): the last has negative ids
FOREVER = 1 << 63


@dataclass(frozen=True)
class Call:
    """An API call; ids are drawn from few numbers, so that processes reuse each other's."""

    process: int
    tid: int
    start: int
    length: int
    corr: int | None


@dataclass(frozen=True)
class Work:
    """A kernel or a copy."""

    process: int
    corr: int | None
    ns: int


@dataclass(frozen=True)
class Range:
    """An instance of a range, or an event that only looks like one."""

    process: int
    tid: int
    start: int
    length: int | None
    kind: str
    end_tid: int | None
    registered: bool
    name: str


# mostly the same process, thread and few ids, so that most examples select something
process, tid = st.sampled_from([0, 0, 0, 1, 2]), st.sampled_from([1, 1, 1, 2])
corr = st.sampled_from([1, 2, 3, 4, None])
CALLS = st.lists(st.builds(Call, process, tid, st.integers(0, 40), st.integers(0, 6), corr), min_size=4, max_size=12)
WORK = st.lists(st.builds(Work, process, corr, st.integers(-3, 50)), min_size=4, max_size=12)
RANGES = st.lists(
    st.builds(
        Range,
        process,
        tid,
        st.integers(0, 40),
        st.sampled_from([None, *range(2, 40, 3)]),
        st.sampled_from(["push", "push", "start", "start", "push-of-others", "start-of-others", "mark"]),
        st.none() | tid,
        st.booleans(),
        st.sampled_from(["r", "r", "r", "r", "other"]),
    ),
    min_size=2,
    max_size=8,
    unique_by=lambda r: r.start,
)


def write(calls: list[Call], kernels: list[Work], copies: list[Work], ranges: list[Range], path: Path) -> Path:
    builder = TraceBuilder().gpu()
    for call in calls:
        pid, host = PROCESSES[call.process]
        end = call.start + call.length
        builder.api("cuLaunchKernel", call.start, end, pid=pid, tid=call.tid, host=host, corr=call.corr)
    for at, work in enumerate(kernels):
        pid, host = PROCESSES[work.process]
        builder.launch("k", 1000 * at, 1000 * at + work.ns, pid=pid, host=host, corr=work.corr)
    for work in copies:
        pid, host = PROCESSES[work.process]
        owner = global_pid(pid, host)
        builder.row("CUPTI_ACTIVITY_KIND_MEMCPY", start=0, end=work.ns, globalPid=owner, correlationId=work.corr)
    for r in ranges:
        pid, host = PROCESSES[r.process]
        end_of = None if r.length is None else r.start + r.length
        how = {"kind": r.kind, "end_tid": r.end_tid, "registered": r.registered}
        builder.nvtx(r.name, r.start, end_of, pid=pid, tid=r.tid, host=host, **how)  # type: ignore[arg-type]
    return builder.write(path)


def instances(ranges: list[Range], skip: int) -> list[Range]:
    return sorted((r for r in ranges if r.name == "r" and r.kind != "mark"), key=lambda r: r.start)[skip:]


def encloses(r: Range, call: Call) -> bool:
    """Whether a range encloses a call: on its own thread, or anywhere in its process if it ended on another."""
    crosses = r.kind.startswith("start") and r.end_tid is not None and r.end_tid != r.tid
    if r.process != call.process or not (crosses or r.tid == call.tid):
        return False
    end = FOREVER if r.length is None else r.start + r.length
    return r.start <= call.start and call.start + call.length <= end


def caused(work: Work, call: Call) -> bool:
    return work.corr is not None and (work.process, work.corr) == (call.process, call.corr)


@RANDOM
@given(calls=CALLS, kernels=WORK, copies=WORK, ranges=RANGES, skip=st.integers(0, 2))
def test_a_range_equals_the_quadratic_join(
    calls: list[Call], kernels: list[Work], copies: list[Work], ranges: list[Range], skip: int, tmp_path: Path
) -> None:
    trace = NsysTrace(write(calls, kernels, copies, ranges, tmp_path / "t.sqlite"))
    selection = Selection(range="r", skip=skip)
    wanted = instances(ranges, skip)
    inside = [call for call in calls if any(encloses(r, call) for r in wanted)]
    taken = [work for work in kernels if any(caused(work, call) for call in inside)]
    if not wanted or not taken:
        event("nothing selected")
        with pytest.raises(TraceError):
            trace.select(selection)
        return
    event("something selected")
    selected = trace.select(selection)
    assert sum(s.launches for s in selected.launches) == len(taken)
    assert sum(s.ns for s in selected.launches) == sum(max(work.ns, 0) for work in taken)
    assert selected.negative == sum(work.ns < 0 for work in taken)
    lost = [work for work in kernels if not any(caused(work, call) for call in calls)]
    assert (selected.unplaced, selected.unplaced_ns) == (len(lost), sum(max(work.ns, 0) for work in lost))
    beside = [work for work in copies if any(caused(work, call) for call in inside)]
    assert sum(c.copies for c in selected.copies) == len(beside)
    assert sum(c.copy_ns for c in selected.copies) == sum(max(work.ns, 0) for work in beside)


def ns_in(builder: TraceBuilder, name: str, tmp_path: Path, **selection: int) -> int:
    """Kernel time inside a range, 0 where there is none."""
    path = builder.write(tmp_path / "t.sqlite")
    try:
        return analyze(path, range=name, book=BOOK, **selection).totals.kernel_ns  # type: ignore[arg-type]
    except TraceError as error:
        if "was launched inside the range" not in error.message:
            raise
        return 0


def called(at: int = 50, **where: int) -> TraceBuilder:
    """A kernel of 7 ns whose launch call takes from `at` to `at` + 10."""
    return TraceBuilder().gpu().launch("k", 500, 507, call=(at, at + 10), **where)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        (50, 60, 7),  # exactly around the call
        (0, 1000, 7),
        (51, 60, 0),  # begins inside the call
        (50, 59, 0),  # ends inside the call
        (0, 49, 0),
        (61, 99, 0),
        (20, None, 7),  # never closed
        (55, None, 0),
    ],
)
def test_the_range_must_enclose_the_whole_call(start: int, end: int | None, expected: int, tmp_path: Path) -> None:
    assert ns_in(called().nvtx("r", start, end), "r", tmp_path) == expected


def test_the_kernel_itself_may_run_long_after_the_range(tmp_path: Path) -> None:
    builder = TraceBuilder().gpu().launch("k", 10**9, 10**9 + 7, call=(50, 60))
    assert ns_in(builder.nvtx("r", 40, 70), "r", tmp_path) == 7


def test_another_thread_or_process_is_outside(tmp_path: Path) -> None:
    assert ns_in(called(tid=2).nvtx("r", 0, 99, tid=3), "r", tmp_path) == 0
    assert ns_in(called(tid=2).nvtx("r", 0, 99, tid=2), "r", tmp_path) == 7
    assert ns_in(called(tid=2).nvtx("r", 0, 99, tid=2, pid=PID + 1), "r", tmp_path) == 0
    assert ns_in(called(tid=2).nvtx("r", 0, 99, tid=2, host=2), "r", tmp_path) == 0


@pytest.mark.parametrize(
    ("kind", "end_tid", "expected"),
    [("start", 4, 7), ("start-of-others", 4, 7), ("start", 3, 0), ("start", None, 0), ("push", 4, 0)],
)
def test_a_start_end_range_that_crosses_threads_covers_its_process(
    kind: str, end_tid: int | None, expected: int, tmp_path: Path
) -> None:
    builder = called(tid=2).nvtx("r", 0, 99, tid=3, end_tid=end_tid, kind=kind)
    assert ns_in(builder, "r", tmp_path) == expected


def test_nested_instances_count_a_launch_once(tmp_path: Path) -> None:
    builder = called().nvtx("r", 0, 99).nvtx("r", 10, 90).nvtx("r", 45, 48).nvtx("r", 49, 70)
    assert ns_in(builder, "r", tmp_path) == 7
    assert ns_in(builder, "r", tmp_path, skip=3) == 7
    builder.nvtx("r", 52, 55)
    assert ns_in(builder, "r", tmp_path, skip=4) == 0


def test_a_registered_name_and_a_text_are_the_same_range(tmp_path: Path) -> None:
    builder = called(50).launch("k", 600, 611, call=(70, 80)).launch("k", 700, 713, call=(90, 99))
    builder.nvtx("layer", 49, 61, registered=True).nvtx("layer", 69, 81).nvtx("layer2", 89, 100, registered=True)
    assert ns_in(builder, "layer", tmp_path) == 18
    assert ns_in(builder, "layer2", tmp_path) == 13


def test_a_mark_is_no_range(tmp_path: Path) -> None:
    path = called().nvtx("m", 0, 99, kind="mark").nvtx("r", 0, 99).write(tmp_path / "t.sqlite")
    with pytest.raises(TraceError, match="has no NVTX range 'm'"):
        analyze(path, range="m", book=BOOK)


def test_processes_that_reuse_a_correlation_id_are_kept_apart(tmp_path: Path) -> None:
    builder = TraceBuilder().gpu()
    builder.launch("k", 500, 507, pid=1, corr=5, call=(50, 60)).launch("k", 600, 611, pid=2, corr=5, call=(70, 80))
    builder.launch("k", 700, 713, pid=3, corr=5)
    report_of = analyze(builder.nvtx("r", 0, 99, pid=1).write(tmp_path / "t.sqlite"), range="r", book=BOOK)
    assert report_of.trace.processes == (1,)
    assert (report_of.totals.kernel_ns, report_of.totals.unplaced_launches, report_of.totals.unplaced_ns) == (7, 1, 13)


def test_a_device_narrows_what_could_not_be_placed(tmp_path: Path) -> None:
    builder = called().gpu(1).launch("k", 700, 713, device=1).launch("k", 800, 817, device=0)
    path = builder.nvtx("r", 0, 99).write(tmp_path / "t.sqlite")
    assert analyze(path, range="r", book=BOOK).totals.unplaced_ns == 30
    assert analyze(path, range="r", device=0, book=BOOK).totals.unplaced_ns == 17


def test_graphs_and_sets_follow_their_calls_too(tmp_path: Path) -> None:
    builder = called().api("cudaGraphLaunch_v10000", 62, 64, corr=8).api("cudaMemsetAsync", 65, 66, corr=9)
    builder.api("cudaGraphLaunch_v10000", 150, 160, corr=10)
    builder.graph(900, 930, corr=8).memset(940, 945, corr=9).graph(950, 999, corr=10)
    totals = analyze(builder.nvtx("r", 0, 99).write(tmp_path / "t.sqlite"), range="r", book=BOOK).totals
    assert (totals.graph_launches, totals.graph_ns, totals.sets, totals.set_ns) == (1, 30, 1, 5)


def test_medians_and_busy_time_are_those_of_the_range(tmp_path: Path) -> None:
    builder = TraceBuilder().gpu()
    for at, ns in enumerate((900, 10, 20, 30, 800)):
        builder.launch("k", 10_000 * at, 10_000 * at + ns, call=(100 * at, 100 * at + 5))
    path = builder.nvtx("r", 90, 310).write(tmp_path / "t.sqlite")
    report = analyze(path, range="r", stats=True, book=BOOK)
    assert (report.kernels[0].median_ns, report.totals.busy_ns, report.totals.launches) == (20, 60, 3)


def test_ids_are_packed_as_nsys_packs_them() -> None:
    assert global_pid(1771) == 281504689160192  # as it stands in a real trace
    assert global_pid(0, 0xFE00) == -144115188075855872
    assert global_tid(0xFFFFFF, 0xFFFFFF, 0xFFFF) == -1
