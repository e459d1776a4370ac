"""Exports of every supported nsys version, and of tools that write something like one."""

from __future__ import annotations

from pathlib import Path

import pytest

from tcscope import analyze
from tcscope.model import Copies, GraphLaunches, Launches, Selection
from tcscope.sources import NsysTrace, open_trace
from tests.support.traces import PID, VERSIONS, TraceBuilder

HGEMM = "sm80_xmma_gemm_f16f16_f16f32_f16_tn_n_tilesize128x128x32_stage4_warpsize2x2x1_tensor16x8x16"
SPELLED = {
    "2022.1": ("Nsight Systems 2022.1.3.3", "2.9.1"),
    "2023.2": ("Nsight Systems 2023.2.3.1001", "3.1.1"),
    "2024.5": ("Nsight Systems 2024.5.1.113", "3.17.1"),
    "2025.3": ("Nsight Systems 2025.3.2.0", "3.20.3"),
    "2026.1": ("Nsight Systems 2026.1.1.204", "3.24.14"),
    "2026.2": ("Nsight Systems 2026.2.1.210", "3.25.0"),
}


def small(schema: str) -> TraceBuilder:
    """Two launches of one kernel and one of another, a copy, a set and an opaque graph."""
    return (
        TraceBuilder(schema)
        .gpu(chip="GH100")
        .launch(HGEMM, 100, 250, call=(10, 20))
        .launch(HGEMM, 300, 360, call=(30, 40))
        .launch("other", 400, 409, call=(50, 60))
        .copy(500, 530)
        .memset(540, 547)
        .graph(600, 700)
    )


@pytest.mark.parametrize("schema", VERSIONS)
def test_every_schema_gives_the_same_sums(schema: str, tmp_path: Path) -> None:
    trace = NsysTrace(small(schema).write(tmp_path / "t.sqlite"))
    selected = trace.select(Selection())
    assert set(selected.launches) == {
        Launches(HGEMM, 0, PID, launches=2, ns=210, min_ns=60, max_ns=150),
        Launches("other", 0, PID, launches=1, ns=9, min_ns=9, max_ns=9),
    }
    assert selected.copies == (Copies(0, copies=1, copy_ns=30, sets=1, set_ns=7),)
    assert selected.graphs == (GraphLaunches(0, 1, 100),)
    assert selected.negative == selected.unplaced == selected.unplaced_ns == 0


@pytest.mark.parametrize("schema", VERSIONS)
def test_every_schema_tells_its_version_and_gpu(schema: str, tmp_path: Path) -> None:
    builder = small(schema).system(CpuArchitecture="aarch64", NvDriverVersion="540.4.0", CudaDriverVersion="12060")
    builder.row("TARGET_INFO_SESSION_START_TIME", utcEpochNs=1, utcTime="2026-01-02T03:04:05")
    report = analyze(builder.write(tmp_path / "some trace.sqlite"))
    assert (report.trace.tool, report.trace.schema_version) == SPELLED[schema]
    assert report.trace.file == "some trace.sqlite"
    assert report.trace.captured == "2026-01-02T03:04:05"
    assert (report.trace.host, report.trace.driver, report.trace.cuda) == ("aarch64", "540.4.0", "12.6")
    (device,) = report.trace.devices
    assert (device.index, device.name, device.sm, device.sm_count) == (0, "NVIDIA H100 80GB HBM3", 90, 132)
    assert (device.chip, device.integrated, device.has_tensor_cores) == ("GH100", False, True)
    assert report.trace.processes == (PID,)


@pytest.mark.parametrize("schema", VERSIONS)
def test_every_schema_takes_ranges_medians_and_an_inventory(schema: str, tmp_path: Path) -> None:
    builder = small(schema).domain("TensorRT").nvtx("inference", 25, 70).nvtx("layer", 28, 45, registered=True)
    path = builder.capture(PROCESS_0_CUDA_GRAPH_TRACE_OPTIONS_MODE="Graph").write(tmp_path / "t.sqlite")
    assert analyze(path, range="inference").totals.kernel_ns == 69
    assert analyze(path, range="layer").totals.kernel_ns == 60
    report = analyze(path, stats=True)
    assert {kernel.name: kernel.median_ns for kernel in report.kernels} == {HGEMM: 105, "other": 9}
    held = open_trace(path).inventory()
    assert (held.launches, held.kernels, held.launch_calls, held.copies, held.sets) == (3, 2, 3, 1, 1)
    assert (held.graph_launches, held.graph_mode, held.span_ns, held.streams) == (1, "graph", 309, 1)
    assert held.domains == ("TensorRT",)
    assert [(r.name, r.instances) for r in held.ranges] == [("inference", 1), ("layer", 1)]


def test_columns_are_probed_not_taken_by_position(tmp_path: Path) -> None:
    # GIVEN an export to which another tool added columns, a table, an index and a view, and from which it took columns
    builder = small("2025.3").with_column("CUPTI_ACTIVITY_KIND_KERNEL", "addedByATool:text")
    builder.without("CUPTI_ACTIVITY_KIND_KERNEL", "mangledName", "contextId", "gridX", "graphNodeId")
    builder.without("TARGET_INFO_GPU", "chipName", "isDiscrete", "smCount")
    builder.then('create table "odd ""name" (x)').then("create index i on CUPTI_ACTIVITY_KIND_KERNEL (start)")
    builder.then("create view v as select * from CUPTI_ACTIVITY_KIND_KERNEL")
    # WHEN it is read
    trace = NsysTrace(builder.write(tmp_path / "t.sqlite"))
    # THEN the numbers are the same, and what is gone is unknown
    assert sum(launches.ns for launches in trace.select(Selection()).launches) == 219
    device = trace.devices.device(0)
    assert (device.sm, device.sm_count, device.chip, device.integrated) == (90, None, "", None)
    assert trace.mangled_names() == {}
    assert trace.inventory().launches == 3


@pytest.mark.parametrize("mixed", [False, True])
def test_a_kernel_table_without_processes_is_still_summed(mixed: bool, tmp_path: Path) -> None:
    builder = TraceBuilder().gpu(0).gpu(1).launch("a", 100, 250).launch("a", 300, 310, device=int(mixed), pid=5)
    report = analyze(builder.without("CUPTI_ACTIVITY_KIND_KERNEL", "globalPid").write(tmp_path / "t.sqlite"))
    assert (report.totals.kernel_ns, report.trace.processes) == (160, (0,))
    assert [device.index for device in report.trace.devices] == ([0, 1] if mixed else [0])


def test_launches_of_an_unknown_process_are_not_lost(tmp_path: Path) -> None:
    # GIVEN one launch whose globalPid is NULL, and one of process 0
    builder = TraceBuilder().gpu().launch("a", 100, 250).launch("a", 300, 310).nvtx("r", 0, 999)
    builder.then("update CUPTI_ACTIVITY_KIND_KERNEL set globalPid = null where start = 100")
    builder.then("update CUPTI_ACTIVITY_KIND_KERNEL set globalPid = 0 where start = 300")
    path = builder.write(tmp_path / "t.sqlite")
    # THEN both count, on every way through the trace
    for report in (analyze(path), analyze(path, stats=True)):
        assert (report.totals.launches, report.totals.kernel_ns) == (2, 160)
        assert report.trace.processes == (0,)
    assert analyze(path, stats=True).kernels[0].median_ns == 80
    assert analyze(path, skip=1).totals.kernel_ns == 10


def test_a_name_missing_from_the_strings_is_told_by_its_id(tmp_path: Path) -> None:
    path = TraceBuilder().gpu().launch(4711, 100, 250).launch("a", 300, 301).write(tmp_path / "t.sqlite")
    names = {kernel.name: kernel.ns for kernel in analyze(path, stats=True).kernels}
    assert names == {"(kernel without a name, string 4711)": 150, "a": 1}


def test_mangled_names_come_from_the_export(tmp_path: Path) -> None:
    builder = TraceBuilder().gpu().launch("k<int>", 1, 2, mangled="_Z1kIiEvv").launch("plain", 3, 4)
    assert NsysTrace(builder.write(tmp_path / "t.sqlite")).mangled_names() == {"k<int>": "_Z1kIiEvv"}


def test_sampled_metrics_have_a_rate(tmp_path: Path) -> None:
    builder = TraceBuilder().gpu().launch("a", 1, 2)
    for at in range(5):
        for metric in (1, 2, 3):
            builder.row("GPU_METRICS", timestamp=100_000 * at, typeId=7, metricId=metric, value=at)
    held = NsysTrace(builder.write(tmp_path / "t.sqlite")).inventory()
    assert (held.sampled_metrics, held.sampled_hz) == (3, 10_000.0)
