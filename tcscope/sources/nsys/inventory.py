"""What an export holds: counts of everything an analysis could use."""

from __future__ import annotations

from dataclasses import replace

import sqlite_utils

from tcscope.model.inventory import Inventory
from tcscope.sources.nsys import tables as t
from tcscope.sources.nsys.absence import launch_calls
from tcscope.sources.nsys.database import Database
from tcscope.sources.nsys.devices import DeviceMap
from tcscope.sources.nsys.header import capture_metadata, read_header
from tcscope.sources.nsys.nvtx import domains, range_counts

_GRAPH_OPTION = "CUDA_GRAPH_TRACE_OPTIONS:MODE"


def take_inventory(db: Database, devices: DeviceMap) -> Inventory:
    """Count what the export holds; `missing` is left to the analysis."""
    with db.damage_told():
        counts = {name: table.count for name, table in _tables(db).items()}
    kernels, streams, span_ns, processes = _kernels(db)
    hz, metrics = _sampling(db)
    found = tuple(devices.devices.values())
    return Inventory(
        trace=replace(read_header(db), devices=found, processes=processes),
        launches=counts.get(t.KERNEL, 0),
        kernels=kernels,
        span_ns=span_ns,
        streams=streams,
        launch_calls=launch_calls(db),
        copies=counts.get(t.MEMCPY, 0),
        sets=counts.get(t.MEMSET, 0),
        graph_mode=capture_metadata(db).get(_GRAPH_OPTION, "").lower(),
        graph_launches=counts.get(t.GRAPH, 0),
        domains=tuple(sorted(domains(db))),
        ranges=range_counts(db),
        sampled_hz=hz,
        sampled_metrics=metrics,
        tables=tuple(sorted(counts.items())),
    )


def _tables(db: Database) -> dict[str, sqlite_utils.db.Table]:
    """The export's tables but the lists of constants."""
    view = sqlite_utils.Database(db.connection, use_counts_table=False, execute_plugins=False)
    return {name: view.table(name) for name in db.tables if not name.startswith("ENUM_")}


def _kernels(db: Database) -> tuple[int, int, int, tuple[int, ...]]:
    """Distinct names, distinct streams, the span in ns, process ids."""
    if not db.has(t.KERNEL, "demangledName", "start", "end"):
        return 0, 0, 0, ()
    stream, process = db.column(t.KERNEL, "streamId", "0"), db.column(t.KERNEL, "globalPid", "0")
    names, first, last = db.row(f"select count(distinct demangledName), min(start), max(end) from {t.KERNEL}")
    users = list(db.rows(f"select distinct {process}, {stream} from {t.KERNEL}"))
    if not all(value is None or isinstance(value, int) for value in (first, last, *(pid for pid, _ in users))):
        raise db.unsound(f"times or processes in {t.KERNEL} are no whole numbers")
    return names, len(users), (last or 0) - (first or 0), tuple(sorted({t.pid_of(pid) for pid, _ in users}))


def _sampling(db: Database) -> tuple[float | None, int]:
    """The rate at which GPU metrics were sampled, and how many metrics there are."""
    if not db.has(t.METRICS, "timestamp", "typeId", "metricId"):
        return None, 0
    metrics = int(db.row(f"select count(*) from (select distinct typeId, metricId from {t.METRICS})")[0])
    one = f"select typeId, metricId from {t.METRICS} limit 1"
    first, last, rows = db.row(
        f"select min(timestamp), max(timestamp), count(*) from {t.METRICS} where (typeId, metricId) = ({one})"
    )
    if not isinstance(first, int) or not isinstance(last, int):
        return None, metrics
    return ((rows - 1) * 1e9 / (last - first) if rows > 1 and last > first else None), metrics
