"""Real traces: totals equal the kernel table to the nanosecond, per device and in sum."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tcscope import RuleBook, analyze
from tcscope.errors import TraceError
from tests.support.places import FIXTURES, SHARED_TRACES

BOOK = RuleBook.builtin()
TRACES = sorted([*FIXTURES.glob("*.sqlite"), *SHARED_TRACES.glob("*.sqlite")], key=lambda path: (path.name, str(path)))
WITHOUT_KERNELS = {"h100_no_kernels"}
WITH_KERNELS = [path for path in TRACES if path.stem not in WITHOUT_KERNELS]


def ids(path: Path) -> str:
    return f"{path.parent.name}/{path.stem}"


def plain(path: Path, sql: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro&immutable=1", uri=True)) as db:
        return list(db.execute(sql))


def rows_of(path: Path, table: str) -> tuple[int, int]:
    """Rows and ns of a table that may not be there."""
    if not plain(path, f"select 1 from sqlite_master where name = '{table}'"):
        return 0, 0
    ((rows, ns),) = plain(path, f'select count(*), coalesce(sum("end" - start), 0) from {table}')
    return rows, ns


def test_there_are_fixtures() -> None:
    assert len([path for path in WITH_KERNELS if path.parent == FIXTURES]) >= 4


@pytest.mark.parametrize("path", WITH_KERNELS, ids=ids)
def test_totals_equal_the_kernel_table(path: Path) -> None:
    report = analyze(path, book=BOOK)
    totals = report.totals
    kernels = "CUPTI_ACTIVITY_KIND_KERNEL"
    assert (totals.launches, totals.kernel_ns) == rows_of(path, kernels)
    assert (totals.copies, totals.copy_ns) == rows_of(path, "CUPTI_ACTIVITY_KIND_MEMCPY")
    assert (totals.sets, totals.set_ns) == rows_of(path, "CUPTI_ACTIVITY_KIND_MEMSET")
    assert (totals.graph_launches, totals.graph_ns) == rows_of(path, "CUPTI_ACTIVITY_KIND_GRAPH_TRACE")
    assert totals.negative_launches == 0
    by_device: dict[int, int] = {}
    for kernel in report.kernels:
        for place in kernel.places:
            by_device[place.device] = by_device.get(place.device, 0) + place.ns
    sums = f'select deviceId, sum("end" - start) from {kernels} group by deviceId'
    assert by_device == dict(plain(path, sums))  # these hosts had one GPU: its index is its ordinal
    for device, ns in by_device.items():
        assert analyze(path, device=device, book=BOOK).totals.kernel_ns == ns


@pytest.mark.parametrize("path", WITH_KERNELS, ids=ids)
def test_each_kernel_equals_the_kernel_table(path: Path) -> None:
    sql = (
        'select s.value, count(*), sum(k."end" - k.start), min(k."end" - k.start), max(k."end" - k.start)'
        " from CUPTI_ACTIVITY_KIND_KERNEL k join StringIds s on s.id = k.demangledName group by s.value"
    )
    found = {(k.name, k.launches, k.ns, k.min_ns, k.max_ns) for k in analyze(path, book=BOOK).kernels}
    assert found == set(plain(path, sql))


@pytest.mark.parametrize("path", WITH_KERNELS, ids=ids)
def test_ranges_and_medians_lose_nothing(path: Path) -> None:
    whole, stats = analyze(path, book=BOOK), analyze(path, stats=True, book=BOOK)
    assert stats.totals.kernel_ns == whole.totals.kernel_ns
    assert stats.totals.busy_ns is not None
    assert 0 < stats.totals.busy_ns <= whole.totals.kernel_ns
    assert all(k.median_ns is not None and k.min_ns <= k.median_ns <= k.max_ns for k in stats.kernels)
    # a launch inside an instance is inside the range: instances of these traces don't overlap
    has_ranges = plain(path, "select 1 from sqlite_master where name = 'NVTX_EVENTS'")
    if has_ranges and plain(path, "select 1 from NVTX_EVENTS where text = 'inference'"):
        inside = analyze(path, range="inference", book=BOOK).totals
        later = analyze(path, range="inference", skip=3, book=BOOK).totals
        assert inside.unplaced_launches == 0
        assert 0 < later.kernel_ns < inside.kernel_ns <= whole.totals.kernel_ns


@pytest.mark.parametrize("path", [path for path in TRACES if path.stem in WITHOUT_KERNELS], ids=ids)
def test_without_kernels_there_are_no_totals(path: Path) -> None:
    with pytest.raises(TraceError, match="holds no kernels"):
        analyze(path, book=BOOK)
