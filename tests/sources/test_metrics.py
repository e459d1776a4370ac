"""GPU metrics as exports have them: found by name, negative values dropped, joined by their times."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tcscope.sources.nsys import NsysTrace
from tcscope.sources.nsys.metrics import OPAQUE, read_intervals, read_samples
from tcscope.sources.nsys.shapes import read_shapes
from tests.support.places import INT8, INT8_METRICS
from tests.support.traces import TraceBuilder


def test_metrics_are_known_by_name_whatever_their_ids(tmp_path: Path) -> None:
    builder = TraceBuilder().gpu(3).gpu(9).launch("k", 0, 50, device=3)
    builder.metric("Tensor Active / FP16 Active [Throughput %]", {100: 40, 200: 50}, metric_id=77, gpu=3)
    builder.metric("VRAM Read Bandwidth [Throughput %]", {100: 1, 200: 2}, metric_id=4, gpu=3)
    builder.metric("SM Issue [Avg]", {100: 900, 200: 900}, metric_id=5, gpu=3)
    builder.metric("Tensor Active [Throughput %]", {100: 7, 200: 7}, metric_id=1, gpu=9)
    trace = NsysTrace(builder.write(tmp_path / "t.sqlite"))
    assert trace.has_metrics
    found = {samples.device: samples for samples in read_samples(trace.db, trace.devices)}[3]
    assert found.timestamps.tolist() == [100, 200]
    assert {name: values.tolist() for name, values in found.values.items()} == {
        "tensor_active": [40, 50],
        "dram_read": [1, 2],
    }


def test_negative_absurd_and_missing_values_are_none(tmp_path: Path) -> None:
    builder = TraceBuilder().gpu().launch("k", 0, 50)
    builder.metric("Tensor Active [Throughput %]", {100: 40, 200: -1, 300: 101, 400: 4000, 500: 7}, metric_id=1)
    builder.metric("SM Issue [Throughput %]", {100: 1, 500: 5}, metric_id=2)
    trace = NsysTrace(builder.write(tmp_path / "t.sqlite"))
    (found,) = read_samples(trace.db, trace.devices)
    assert found.dropped == 2
    assert np.nan_to_num(found.values["tensor_active"], nan=-9).tolist() == [40, -9, 100, -9, 7]
    assert np.nan_to_num(found.values["sm_issue"], nan=-9).tolist() == [1, -9, -9, -9, 5]


def test_without_tensor_activity_there_are_no_samples(tmp_path: Path) -> None:
    builder = TraceBuilder().gpu().launch("k", 0, 50).metric("SM Issue [Throughput %]", {100: 1, 200: 2})
    trace = NsysTrace(builder.write(tmp_path / "t.sqlite"))
    assert read_samples(trace.db, trace.devices) == []


def test_what_ran_is_every_launch_graph_copy_and_set(tmp_path: Path) -> None:
    builder = TraceBuilder().gpu().launch("b", 10, 20).launch("a", 30, 40).launch("a", 50, 45)
    builder.graph(60, 90).copy(91, 95).memset(96, 99)
    trace = NsysTrace(builder.write(tmp_path / "t.sqlite"))
    found = read_intervals(trace.db, trace.devices)[0]
    labels = [*found.names, *OPAQUE]
    ran = [(labels[code], s, e) for code, s, e in zip(found.code, found.start, found.end, strict=True)]
    assert ran == [("b", 10, 20), ("a", 30, 40), ("graphs", 60, 90), ("copies", 91, 95), ("sets", 96, 99)]


def test_a_trace_without_metrics_has_none() -> None:
    assert not NsysTrace(INT8).has_metrics


class TestShapes:
    def test_a_shape_is_the_one_with_most_time_and_its_waves(self) -> None:
        # 128 threads, 128 registers and 32 KiB: the registers let 4 blocks on an SM
        trace = NsysTrace(INT8_METRICS)
        rows = trace.db.rows(
            "select s.value, k.gridX, k.gridY, k.gridZ, k.blockX * k.blockY * k.blockZ, k.registersPerThread,"
            " k.staticSharedMemory + k.dynamicSharedMemory, sum(k.end - k.start)"
            " from CUPTI_ACTIVITY_KIND_KERNEL k join StringIds s on s.id = k.demangledName group by 1, 2, 3, 4, 5, 6, 7"
        )
        longest: dict[str, tuple[int, ...]] = {}
        for name, *numbers in rows:
            if name not in longest or numbers[-1] > longest[name][-1]:
                longest[name] = tuple(numbers)
        found = read_shapes(trace.db, trace.devices, longest)
        assert {name for name, _ in found} == set(longest)
        for (name, _), shape in found.items():
            x, y, z, threads, registers, memory, _ = longest[name]
            warps = -(-threads // 32)
            fit = min(32, 64 // warps, 65536 // (-(-registers * 32 // 256) * 256 * warps), 233472 // (memory + 1024))
            assert (shape.grid, shape.blocks_per_sm) == ((x, y, z), fit)
            assert shape.waves == round(x * y * z / (fit * 132), 2)

    def test_without_the_gpus_limits_a_block_has_its_sm_for_itself(self, tmp_path: Path) -> None:
        builder = TraceBuilder().gpu(sm_count=10).launch("k", 0, 50)
        builder.rows["CUPTI_ACTIVITY_KIND_KERNEL"][0] |= {"gridX": 25, "gridY": 1, "gridZ": 1, "blockX": 64}
        trace = NsysTrace(builder.write(tmp_path / "t.sqlite"))
        (shape,) = read_shapes(trace.db, trace.devices, ["k"]).values()
        assert (shape.blocks_per_sm, shape.waves) == (1, 2.5)

    def test_no_kernels_no_shapes(self) -> None:
        trace = NsysTrace(INT8)
        assert read_shapes(trace.db, trace.devices, []) == {}
        assert read_shapes(trace.db, trace.devices, ["nobody"]) == {}
