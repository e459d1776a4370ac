"""Every generation of nsys exports, with every kind of GPU and process that differs, and what they must say."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from tcscope import RuleBook, analyze
from tcscope.model import Report, Unit
from tcscope.sources import open_trace
from tests.support.traces import H100, PID, VERSIONS, TraceBuilder

BOOK = RuleBook.builtin()
HGEMM = "sm80_xmma_gemm_f16f16_f16f32_f16_tn_n_tilesize128x128x32_stage4_warpsize2x2x1_tensor16x8x16"
NOBODYS = "a_kernel_that_no_rule_knows"
TENSOR, CUDA, UNKNOWN = Unit.TENSOR_CORE, Unit.CUDA_CORE, Unit.UNKNOWN

Gpu = tuple[int, str, int | None, bool | None]  # index, name, capability, whether it has Tensor Cores
Times = dict[tuple[int, int, Unit], int]  # ns by GPU, process and unit


@dataclass(frozen=True)
class Kind:
    """A machine: how its trace is built, and what the report must say of it."""

    build: Callable[[TraceBuilder], TraceBuilder]
    gpus: tuple[Gpu, ...]
    times: Times
    share: tuple[float | None, float | None]
    in_range_ns: int


def inference(builder: TraceBuilder, device: int = 0) -> TraceBuilder:
    """210 ns of a matrix product and 9 ns of a kernel that nobody knows; 69 ns were launched in the range."""
    return (
        builder.launch(HGEMM, 100, 250, device=device, call=(10, 20))
        .launch(HGEMM, 300, 360, device=device, call=(30, 40))
        .launch(NOBODYS, 400, 409, device=device, call=(50, 60))
        .nvtx("inference", 25, 70)
    )


def turned_round(builder: TraceBuilder) -> TraceBuilder:
    """Two GPUs of which CUDA calls the second one 0, which 2022's exports tell through cuDevice alone."""
    builder.gpu(0, "NVIDIA T4", "7.5", sm_count=40, chip="TU104", cu_device=1).gpu(1, chip="GH100", cu_device=0)
    if builder.version.cuda_device:
        builder.cuda_device(0, 1).cuda_device(1, 0)
    return inference(builder).launch(NOBODYS, 500, 1500, device=1, call=(80, 90))


def on_windows(builder: TraceBuilder) -> TraceBuilder:
    """The table of GPUs lists the integrated one and a software adapter too, each with no SM and as device 0."""
    for index, name in ((0, "Intel(R) UHD Graphics 770"), (2, "Microsoft Basic Render Driver")):
        builder.gpu(index, name, None, sm_count=0, cu_device=0, discrete=0)
    return inference(builder.gpu(1, "NVIDIA GeForce RTX 4090", "8.9", sm_count=128, chip="AD102", cu_device=0))


def two_processes(builder: TraceBuilder) -> TraceBuilder:
    """Both count their launches from 5; only the first one's lies in a range, which the second one's call overlaps."""
    builder.gpu(chip="GH100").nvtx("inference", 5, 25, pid=10)
    return builder.launch(HGEMM, 100, 250, pid=10, corr=5, call=(10, 20)).launch(
        NOBODYS, 100, 109, pid=11, corr=5, call=(11, 19)
    )


WHOLE = {(0, PID, TENSOR): 210, (0, PID, UNKNOWN): 9}
KINDS = {
    "one discrete GPU": Kind(
        lambda builder: inference(builder.gpu(chip="GH100")), ((0, H100, 90, True),), WHOLE, (210 / 219, 1.0), 69
    ),
    "a GPU without Tensor Cores": Kind(
        lambda builder: inference(builder.gpu(0, "NVIDIA GeForce GTX 1660 Ti", "7.5", sm_count=24, chip="TU116")),
        ((0, "NVIDIA GeForce GTX 1660 Ti", 75, False),),
        {(0, PID, CUDA): 219},
        (None, None),
        69,
    ),
    "a Jetson with its integrated GPU": Kind(
        lambda builder: inference(builder.gpu(0, "Orin", None, sm_count=16, chip="", discrete=0)),
        ((0, "Orin", 87, True),),
        WHOLE,
        (210 / 219, 1.0),
        69,
    ),
    "two GPUs, ids turned round": Kind(
        turned_round,
        ((0, "NVIDIA T4", 75, True), (1, H100, 90, True)),
        {(1, PID, TENSOR): 210, (1, PID, UNKNOWN): 9, (0, PID, UNKNOWN): 1000},
        (210 / 1219, 1.0),
        69,
    ),
    "adapters of Windows": Kind(
        on_windows,
        ((1, "NVIDIA GeForce RTX 4090", 89, True),),
        {(1, PID, TENSOR): 210, (1, PID, UNKNOWN): 9},
        (210 / 219, 1.0),
        69,
    ),
    "no GPU described": Kind(inference, ((0, "", None, None),), WHOLE, (210 / 219, 1.0), 69),
    "two processes, equal correlation ids": Kind(
        two_processes,
        ((0, H100, 90, True),),
        {(0, 10, TENSOR): 150, (0, 11, UNKNOWN): 9},
        (150 / 159, 1.0),
        150,
    ),
}
MATRIX = [pytest.param(schema, kind, id=f"{schema}, {name}") for schema in VERSIONS for name, kind in KINDS.items()]


def times_of(report: Report) -> Times:
    times: Times = {}
    for kernel in report.kernels:
        for place in kernel.places:
            key = place.device, place.process, kernel.unit
            times[key] = times.get(key, 0) + place.ns
    return times


def kernel_ns(path: Path) -> int:
    with closing(sqlite3.connect(path)) as db:
        return int(db.execute('select sum("end" - start) from CUPTI_ACTIVITY_KIND_KERNEL').fetchone()[0])


@pytest.mark.parametrize(("schema", "kind"), MATRIX)
def test_every_version_says_the_same_of_every_machine(schema: str, kind: Kind, tmp_path: Path) -> None:
    path = kind.build(TraceBuilder(schema)).write(tmp_path / "t.sqlite")
    # WHEN the whole trace is analyzed
    report = analyze(path, stats=True, book=BOOK)
    # THEN version, GPUs, times and shares are right
    assert report.trace.schema_version == VERSIONS[schema].schema
    assert tuple((d.index, d.name, d.sm, d.has_tensor_cores) for d in report.trace.devices) == kind.gpus
    assert times_of(report) == kind.times
    assert report.totals.kernel_ns == kernel_ns(path) == sum(kind.times.values())
    assert (report.tensor_share.low, report.tensor_share.high) == kind.share
    assert report.totals.unplaced_launches == 0
    # AND so is each part of it
    for index, *_ in kind.gpus:
        of_gpu = {key: ns for key, ns in kind.times.items() if key[0] == index}
        assert times_of(analyze(path, device=index, book=BOOK)) == of_gpu
    assert analyze(path, range="inference", book=BOOK).totals.kernel_ns == kind.in_range_ns
    ranges = analyze(path, by=["range"], book=BOOK)
    assert {group.keys: group.ns for group in ranges.groups} == {
        ("inference",): kind.in_range_ns,
        ("(in none)",): sum(kind.times.values()) - kind.in_range_ns,
    }
    held = open_trace(path).inventory()
    assert held.launches == held.launch_calls
    assert held.trace.processes == tuple(sorted({process for _, process, _ in kind.times}))


def test_the_matrix_reaches_from_the_oldest_schema_to_the_newest() -> None:
    schemas = [tuple(map(int, version.schema.split("."))) for version in VERSIONS.values()]
    assert schemas == sorted(schemas)
    assert (schemas[0][:2], schemas[-1][:2]) == ((2, 9), (3, 25))
    assert len(MATRIX) == len(VERSIONS) * len(KINDS)
