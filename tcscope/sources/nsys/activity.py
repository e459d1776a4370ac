"""What ran beside the kernels: memory copies, memory sets, and CUDA graph launches that hide theirs."""

from __future__ import annotations

from dataclasses import replace
from sqlite3 import Connection
from typing import TYPE_CHECKING

from tcscope.model import Copies, GraphLaunches
from tcscope.sources.nsys import tables as t
from tcscope.sources.nsys.database import Database
from tcscope.sources.nsys.devices import DeviceMap
from tcscope.sources.nsys.parts import each_part

if TYPE_CHECKING:
    from tcscope.sources.nsys.ranges import LaunchFilter

_ROWS = 20_000  # grouped at once
ActivitySums = dict[int, tuple[int, int]]


def read_copies(db: Database, devices: DeviceMap, launched: LaunchFilter | None) -> tuple[Copies, ...]:
    """Memory copies and sets by device; with `launched`, those that the selected calls caused."""
    found = {device: Copies(device, n, ns) for device, (n, ns) in _sums(db, t.MEMCPY, devices, launched).items()}
    for device, (sets, set_ns) in _sums(db, t.MEMSET, devices, launched).items():
        found[device] = replace(found.get(device, Copies(device)), sets=sets, set_ns=set_ns)
    return tuple(found[device] for device in sorted(found))


def read_graphs(db: Database, devices: DeviceMap, launched: LaunchFilter | None) -> tuple[GraphLaunches, ...]:
    """CUDA graph launches of which the trace has one row each and no kernels, by device."""
    return tuple(GraphLaunches(device, *s) for device, s in sorted(_sums(db, t.GRAPH, devices, launched).items()))


def _sums(db: Database, table: str, devices: DeviceMap, launched: LaunchFilter | None) -> ActivitySums:
    """The rows of an activity table and their ns, by device index."""
    if not db.has(table, "deviceId", "start", "end"):
        return {}
    sums: ActivitySums = {}
    for ordinal, global_pid, rows, ns in _by_process(db, table, launched):
        device, _ = devices.place(ordinal, global_pid)
        before = sums.get(device, (0, 0))
        sums[device] = before[0] + rows, before[1] + ns
    return sums


def _by_process(db: Database, table: str, launched: LaunchFilter | None) -> list[tuple[int, int, int, int]]:
    """(CUDA ordinal, globalPid, rows, ns)."""
    if launched is None:
        device, process = (f"coalesce({db.column(table, name)}, {t.NO_ID})" for name in ("deviceId", "globalPid"))
        ns = "coalesce(sum(max(end - start, 0)), 0)"
        each = f"select {device}, {process}, count(*), {ns} from {table} not indexed"

        def of_part(connection: Connection, first: int, end: int) -> list[tuple[int, int, int, int]]:
            of_rows = f"{each} where rowid >= {int(first)} and rowid < {int(end)} group by 1, 2"
            return connection.execute(of_rows).fetchall()

        found = [row for part in each_part(db, table, _ROWS, of_part) for row in part]
        if not all(isinstance(number, int) for row in found for number in row):
            raise db.unsound(f"times, devices or processes in {table} are no whole numbers")
        return [(ordinal, pid, count, ns) for ordinal, pid, count, ns in found]
    from tcscope.sources.nsys.rows import groups, read_columns

    rows = read_columns(db, table, ("deviceId", "globalPid", "correlationId", "start", "end"))
    inside = groups(rows.where(launched.mask(rows)), ("deviceId", "globalPid"))
    return [(ordinal, pid, len(group), int(group.ns.sum())) for (ordinal, pid), group in inside]
