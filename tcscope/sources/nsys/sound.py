"""The small tables of an export hold what nsys writes: checked once, so that no reader has to.

The large ones (launches, calls, ranges, samples) are checked as they are read.
"""

from __future__ import annotations

from tcscope.sources.nsys import tables as t
from tcscope.sources.nsys.database import Database

_INTEGER, _TEXT = "'integer'", "'text'"
_OR_NULL = ", 'null'"
# Per table and column the storage classes of SQLite that may be there: https://www.sqlite.org/datatype3.html
_SOUND = {
    t.STRINGS: {"id": _INTEGER, "value": _TEXT + _OR_NULL},
    t.GPU: {
        "id": _INTEGER,
        **dict.fromkeys(("name", "chipName"), _TEXT + _OR_NULL),
        **dict.fromkeys(("smCount", "computeMajor", "computeMinor", "cuDevice", "isDiscrete"), _INTEGER + _OR_NULL),
        **dict.fromkeys(("maxWarpsPerSm", "maxBlocksPerSm", "maxRegistersPerSm", "maxShmemPerSm"), _INTEGER + _OR_NULL),
    },
    t.CUDA_DEVICE: dict.fromkeys(("gpuId", "cudaId", "pid"), _INTEGER + _OR_NULL),
    t.METRIC_NAMES: {"typeId": _INTEGER, "metricId": _INTEGER, "metricName": _TEXT},
}


def demand_sound(db: Database) -> None:
    """Raise TraceError where a small table holds something that no export holds."""
    for table in (t.KERNEL, t.RUNTIME, t.MEMCPY, t.MEMSET, t.GRAPH, t.NVTX, t.METRICS):
        if any(name.lower() == "rowid" for name in db.tables.get(table, ())):  # it would hide SQLite's own
            raise db.unsound(f"{table} has a column named rowid")
    for table, columns in _SOUND.items():
        present = {name: kinds for name, kinds in columns.items() if db.has(table, name)}
        tests = [f'typeof("{name}") not in ({kinds})' for name, kinds in present.items()]
        if not tests:
            continue
        for row in db.rows(f"select {', '.join(tests)} from {table} where {' or '.join(tests)} limit 1"):
            wrong = next(name for name, is_wrong in zip(present, row, strict=True) if is_wrong)
            raise db.unsound(f"{table}.{wrong} has a value of another type")
