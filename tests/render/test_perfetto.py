"""Timelines read back: by Perfetto's protobuf classes and its own trace processor, to the nanosecond."""

from __future__ import annotations

import io
import json
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import pytest

from tcscope import analyze
from tcscope.analysis.timeline import timeline
from tcscope.model import Selection
from tcscope.model.timeline import Timeline
from tcscope.render import chrome
from tcscope.render.perfetto import write as perfetto
from tcscope.render.perfetto.colours import correlation_id
from tcscope.rulebook import RuleBook
from tcscope.sources import open_trace
from tests.support import trace_processor
from tests.support.places import FP16, GRAPHS, INT8, INT8_CUDAGRAPH, ORIN, SHARED_TRACES
from tests.support.traces import TraceBuilder

UNITS = ("tensor_core", "cuda_core", "unknown")
HOSTILE = (
    '</script><img src=x onerror="alert(1)">',
    "quote\" and 'single' and \\ backslash",
    "emoji 🚀 and \u202eright to left\u202c and \x1b[31mred",
    "template<" + "Deep<" * 1300 + ">" * 1300,
    "\0nul",
)


def made(trace: Path, selection: Selection | None = None) -> Timeline:
    return timeline(open_trace(trace), RuleBook.builtin(), selection or Selection())


def written(trace: Path, target: Path, selection: Selection | None = None) -> Path:
    with target.open("wb") as file:
        perfetto.write(made(trace, selection), file)
    return target


def sums_of_report(trace: Path, selection: Selection | None = None) -> dict[str, int]:
    asked = selection or Selection()
    report = analyze(trace, range=asked.range, skip=asked.skip, device=asked.device)
    sums: Counter[str] = Counter()
    for kernel in report.kernels:
        sums[str(kernel.unit)] += kernel.ns
    return dict(sums)


def packets(data: bytes) -> list[Any]:
    from perfetto.protos.perfetto.trace.perfetto_trace_pb2 import Trace

    return list(Trace.FromString(data).packet)


def sums_of_packets(data: bytes) -> dict[str, int]:
    """Time by category of all slices, from begins and ends alone; every slice must end, on its own track."""
    categories: dict[int, str] = {}
    stacks: dict[int, list[tuple[str, int]]] = defaultdict(list)
    sums: Counter[str] = Counter()
    last: dict[int, int] = defaultdict(int)
    for packet in packets(data):
        categories |= {entry.iid: entry.name for entry in packet.interned_data.event_categories}
        event = packet.track_event
        if event.type == event.TYPE_SLICE_BEGIN:
            stacks[event.track_uuid].append((categories[event.category_iids[0]], packet.timestamp))
        elif event.type == event.TYPE_SLICE_END:
            category, start = stacks[event.track_uuid].pop()
            sums[category] += packet.timestamp - start
        if packet.HasField("timestamp"):
            assert packet.timestamp >= last[event.track_uuid]
            last[event.track_uuid] = packet.timestamp
    assert not any(stacks.values())
    return dict(sums)


def of_units(sums: dict[str, int]) -> dict[str, int]:
    return {unit: sums[unit] for unit in UNITS if sums.get(unit)}


@pytest.mark.parametrize(
    "trace", [INT8, FP16, GRAPHS, INT8_CUDAGRAPH, ORIN, *sorted(SHARED_TRACES.glob("*_gpu_metrics.sqlite"))], ids=str
)
def test_the_sums_by_unit_are_those_of_the_report(trace: Path, tmp_path: Path) -> None:
    data = written(trace, tmp_path / "t.perfetto").read_bytes()
    assert of_units(sums_of_packets(data)) == {unit: ns for unit, ns in sums_of_report(trace).items() if ns}


@pytest.mark.parametrize(
    "selection", [Selection("inference"), Selection("inference", skip=15), Selection(skip=333), Selection(device=0)]
)
def test_a_selection_has_the_sums_of_its_report(selection: Selection, tmp_path: Path) -> None:
    data = written(INT8, tmp_path / "t.perfetto", selection).read_bytes()
    assert of_units(sums_of_packets(data)) == sums_of_report(INT8, selection)


def test_the_trace_processor_finds_no_fault_and_the_same_sums(tmp_path: Path) -> None:
    # GIVEN a real engine's timeline, read by the program that Perfetto's UI asks
    with trace_processor.opened(written(INT8, tmp_path / "t.perfetto")) as processor:
        faults = processor.query("select name, value from stats where value > 0 and severity in ('error', 'data_loss')")
        assert [(row.name, row.value) for row in faults] == []
        # THEN its sums are the report's
        sums = {row.category: row.ns for row in processor.query("select category, sum(dur) ns from slice group by 1")}
        assert of_units(sums) == sums_of_report(INT8)
        # AND each kernel lies inside its parent, all on one stream, and each layer has the time of the report
        outside = processor.query(
            "select count(*) n, sum(k.ts < p.ts or k.ts + k.dur > p.ts + p.dur) outside from slice k"
            " join slice p on p.id = k.parent_id where k.category in ('tensor_core', 'cuda_core')"
        )
        assert [(row.n, row.outside) for row in outside] == [(840, 0)]
        layers = processor.query(
            "select l.name, sum(k.dur) ns from slice k, ancestor_slice(k.id) l"
            " where l.category = 'layer' and k.category in ('tensor_core', 'cuda_core') group by 1"
        )
        report = analyze(INT8, by=["layer"])
        assert {row.name: row.ns for row in layers} == {layer.name: layer.ns for layer in report.layers}
        (stream,) = processor.query(
            "select distinct t.name, g.name gpu from slice s join track t on t.id = s.track_id join track g"
            " on g.id = t.parent_id where s.category = 'tensor_core'"
        )
        assert (stream.name, stream.gpu) == ("stream 56", "GPU 0 NVIDIA H100 80GB HBM3")
        # AND the ranges stand on the thread that opened them, as in the trace
        threads = processor.query(
            "select tid, count(*) n from slice s join thread_track tt on tt.id = s.track_id"
            " join thread using (utid) group by 1"
        )
        assert [(row.tid, row.n) for row in threads] == [(1771, 2180)]
        # AND a kernel tells its verdict
        notes = processor.query(
            "select key, display_value value from args where arg_set_id ="
            " (select arg_set_id from slice where category = 'tensor_core' order by ts limit 1)"
        )
        said = {row.key.removeprefix("debug."): row.value for row in notes}
        assert said["unit"] == "tensor_core"
        assert said["precision"] == "int8"
        assert said["rule"] == "trt-conv-act-pool"
        assert said["grid"] == "2 x 28 x 32"
        assert said["correlation_id"] == correlation_id("tensor_core int8")
        assert {"kernel", "op", "evidence", "block", "source"} <= said.keys()


@pytest.mark.skipif(not SHARED_TRACES.exists(), reason="the real traces with GPU metrics are not here")
def test_sampled_counters_are_counter_tracks(tmp_path: Path) -> None:
    trace = SHARED_TRACES / "h100_trt86_resnet18s_int8_gpu_metrics.sqlite"
    with trace_processor.opened(written(trace, tmp_path / "t.perfetto")) as processor:
        found = processor.query(
            "select t.name, t.unit, count(*) n, max(c.value) most"
            " from counter c join counter_track t on t.id = c.track_id group by 1"
        )
        counters = {row.name: (row.unit, row.n, row.most) for row in found}
    assert counters.keys() == {"Tensor Active", "SM Issue", "DRAM Read Bandwidth", "DRAM Write Bandwidth"}
    samples = {n for _, n, _ in counters.values()}
    assert samples == {76340 // 22}  # one in 22 rows of GPU_METRICS is of each metric
    assert counters["Tensor Active"][0] == "Throughput %"
    assert 0 < counters["Tensor Active"][2] <= 100


def test_hostile_names_break_nothing(tmp_path: Path) -> None:
    # GIVEN kernels, ranges and a GPU with names that would break a page, a terminal or a parser
    builder = TraceBuilder().gpu(name=HOSTILE[0])
    for at, name in enumerate(HOSTILE):
        start = 1000 * (at + 1)
        builder.nvtx(name, start - 500, start + 400).launch(
            name, start, start + 100 + at, call=(start - 400, start - 300)
        )
    trace = builder.write(tmp_path / "trace.sqlite")
    # THEN both formats are read whole
    with trace_processor.opened(written(trace, tmp_path / "t.perfetto")) as processor:
        (row,) = processor.query("select count(*) n, sum(dur) ns from slice where category = 'unknown'")
        assert (row.n, row.ns) == (5, 510)
        faults = processor.query("select count(*) n from stats where value > 0 and severity = 'error'")
        assert [row.n for row in faults] == [0]
    file = io.BytesIO()
    chrome.write(made(trace), file)
    text = file.getvalue().decode("ascii")
    names = [event["args"]["kernel"] for event in json.loads(text)["traceEvents"] if "kernel" in event.get("args", {})]
    assert len(names) == 5
    assert names[0] == HOSTILE[0]
    assert not any(ord(letter) < 32 for name in names for letter in name)


def test_a_negative_duration_takes_no_time_and_what_overlaps_gets_a_lane_of_its_own(tmp_path: Path) -> None:
    builder = TraceBuilder().gpu()
    builder.launch("a", 100, 300).launch("b", 200, 400).launch("c", 400, 350).launch("d", 400, 500)
    trace = builder.write(tmp_path / "trace.sqlite")
    assert made(trace).negative == 1
    with trace_processor.opened(written(trace, tmp_path / "t.perfetto")) as processor:
        found = processor.query(
            "select t.name track, s.name, ts, dur, depth"
            " from slice s join track t on t.id = s.track_id order by ts, dur"
        )
        rows = [(row.track, row.name[-1], row.ts, row.dur, row.depth) for row in found]
    assert rows == [
        ("stream 7", "a", 100, 200, 0),
        ("stream 7 (2)", "b", 200, 200, 0),
        ("stream 7", "c", 400, 0, 0),
        ("stream 7", "d", 400, 100, 0),
    ]


def test_copies_sets_and_opaque_graphs_stand_on_their_stream(tmp_path: Path) -> None:
    trace = (
        TraceBuilder().gpu().launch("k", 10, 20).copy(20, 30).memset(30, 40).graph(40, 90).write(tmp_path / "t.sqlite")
    )
    sums = sums_of_packets(written(trace, tmp_path / "t.perfetto").read_bytes())
    assert sums == {"unknown": 10, "memcpy": 10, "memset": 10, "graph": 50}


def test_a_range_that_never_ended_reaches_to_the_end(tmp_path: Path) -> None:
    builder = TraceBuilder().gpu().nvtx("open", 5, None).nvtx("late", 80, 95).launch("k", 10, 20, call=(6, 7))
    sums = sums_of_packets(written(builder.write(tmp_path / "t.sqlite"), tmp_path / "t.perfetto").read_bytes())
    assert sums["range"] == (95 - 5) + 15 + 10  # on the thread, and above the kernel that it launched


def test_ranges_that_cross_get_lanes_of_their_own(tmp_path: Path) -> None:
    builder = TraceBuilder().gpu().nvtx("a", 0, 100).nvtx("b", 50, 150).nvtx("c", 60, 90).launch("k", 10, 20)
    with trace_processor.opened(written(builder.write(tmp_path / "t.sqlite"), tmp_path / "t.perfetto")) as processor:
        found = processor.query("select s.name, dur, depth from slice s where category = 'range' order by ts")
        assert [(row.name, row.dur, row.depth) for row in found] == [("a", 100, 0), ("b", 100, 0), ("c", 30, 1)]


def test_nothing_of_the_machine_is_in_the_file(tmp_path: Path) -> None:
    builder = TraceBuilder().gpu().launch("k", 10, 20)
    builder.system(Hostname="secret-host", DeviceEnvironment="TOKEN=secret-token").capture(USER="secret-user")
    target = tmp_path / "secret-folder" / "t.perfetto"
    target.parent.mkdir()
    assert b"secret" not in written(builder.write(target.parent / "t.sqlite"), target).read_bytes()


def test_chrome_has_the_same_sums(tmp_path: Path) -> None:
    file = io.BytesIO()
    chrome.write(made(INT8), file)
    stacks: dict[tuple[int, int], list[dict[str, Any]]] = defaultdict(list)
    sums: Counter[str] = Counter()
    for event in json.loads(file.getvalue(), parse_float=str)["traceEvents"]:
        place = event["pid"], event["tid"]
        if event["ph"] == "B":
            stacks[place].append(event)
        elif event["ph"] == "E":
            begun = stacks[place].pop()
            sums[begun["cat"]] += int(event["ts"].replace(".", "")) - int(begun["ts"].replace(".", ""))
    assert not any(stacks.values())
    assert of_units(dict(sums)) == sums_of_report(INT8)
    target = tmp_path / "t.json"
    target.write_bytes(file.getvalue())
    with trace_processor.opened(target) as processor:
        found = processor.query("select category, sum(dur) ns from slice group by 1")
        assert of_units({row.category: row.ns for row in found}) == sums_of_report(INT8)


def test_a_colour_id_is_the_same_every_time_and_differs_between_units_and_precisions() -> None:
    words = [f"{unit} {precision}" for unit in UNITS for precision in ("int8", "fp16", "fp32", "fp8", "unknown")]
    ids = [correlation_id(word) for word in words]
    assert len(set(ids)) == len(words)
    assert all(found.startswith(f"{word} #") for found, word in zip(ids, words, strict=True))
