"""CSV for spreadsheets and scripts: the kernels, or the groups where `--by` was given. Times in ns, shares 0..1."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence

from tcscope.model import Report

KERNEL_COLUMNS = (
    *("name", "rule", "unit", "precision", "accumulate", "op", "evidence", "src", "dst"),
    *("launches", "ns", "share", "median_ns", "min_ns", "max_ns"),
)


def kernels_csv(report: Report) -> str:
    """A row a kernel, longest time first."""
    whole = max(report.totals.kernel_ns, 1)
    rows = []
    for kernel in report.kernels:
        row = {name: getattr(kernel, name, None) for name in KERNEL_COLUMNS} | {"share": kernel.ns / whole}
        rows.append(["" if row[name] is None else row[name] for name in KERNEL_COLUMNS])
    return _written(KERNEL_COLUMNS, rows)


def groups_csv(report: Report) -> str:
    """A row a group of `report.by`."""
    rows = [[*group.keys, group.launches, group.ns, group.share] for group in report.groups]
    return _written([*report.by, "launches", "ns", "share"], rows)


def _written(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    return stream.getvalue()
