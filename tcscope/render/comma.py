"""CSV for spreadsheets and scripts: the kernels, or the groups where `--by` was given. Times in ns, shares 0..1."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence

from tcscope.model import Kernel, Report
from tcscope.render.csvwriter import CsvWriter

KERNEL_COLUMNS = (
    *("name", "rule", "unit", "precision", "accumulate", "op", "evidence", "src", "dst"),
    *("launches", "ns", "share", "median_ns", "min_ns", "max_ns"),
)

# In percent, and where the trace has GPU metrics alone.
_METRICS = ("tensor_active", "sm_issue", "dram_read", "dram_write")
MEASURED_COLUMNS = (
    *(f"{metric}{end}" for metric in _METRICS for end in ("", "_low", "_high")),
    *("windows", "identifiable"),
)


def kernels_csv(report: Report) -> str:
    """A row a kernel, longest time first."""
    whole = max(report.totals.kernel_ns, 1)
    rows = []
    for kernel in report.kernels:
        row = {name: getattr(kernel, name, None) for name in KERNEL_COLUMNS} | {"share": kernel.ns / whole}
        measured = _measured(kernel) if report.measurement is not None else []
        rows.append([*("" if row[name] is None else row[name] for name in KERNEL_COLUMNS), *measured])
    return _written(KERNEL_COLUMNS + (MEASURED_COLUMNS if report.measurement is not None else ()), rows)


def _measured(kernel: Kernel) -> list[object]:
    """What was measured of a kernel, in percent; empty where nothing was."""
    found = kernel.measured
    if found is None:
        return [""] * len(MEASURED_COLUMNS)
    estimates = [getattr(found, metric) for metric in _METRICS]
    numbers = [("", "", "") if e is None else (e.value, e.low, e.high) for e in estimates]
    return [*(number for of in numbers for number in of), found.windows, found.identifiable]


def groups_csv(report: Report) -> str:
    """A row a group of `report.by`."""
    rows = [[*group.keys, group.launches, group.ns, group.share] for group in report.groups]
    return _written([*report.by, "launches", "ns", "share"], rows)


def _written(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    stream = io.StringIO()
    writer = CsvWriter(stream)
    writer.writerow(columns)
    writer.writerows(rows)
    return stream.getvalue()
