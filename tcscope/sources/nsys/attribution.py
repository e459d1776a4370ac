"""From launches to layers: each kernel to the NVTX range in which its launch call was made."""

from __future__ import annotations

import numpy as np

from tcscope.model import Attribution, Iterations, RangeLevel, RangePart
from tcscope.sources.nsys.calls import Calls, calls_behind
from tcscope.sources.nsys.database import Database
from tcscope.sources.nsys.devices import DeviceMap
from tcscope.sources.nsys.iterations import find_iterations, instance_of
from tcscope.sources.nsys.range_table import RangeReader, RangeTable
from tcscope.sources.nsys.rows import Columns, Ints, combinations
from tcscope.sources.nsys.sequences import Sequences, read_sequences
from tcscope.sources.nsys.sweep import OUTSIDE, nest


def attribute(
    db: Database, devices: DeviceMap, kernels: Columns, level: RangeLevel, around: str | None
) -> tuple[Attribution, Iterations | None]:
    """The kernels by the range of the level that encloses their launch call, on its own thread; and the inferences.

    A range that began and ended on two threads covers its whole process. `around` names the range of an inference.
    """
    calls, call_of = calls_behind(db, kernels)
    reader = RangeReader(db)
    ranges = reader.of_level(level)
    name_of_call = _names_of_calls(calls, ranges, level)
    owner = np.where(call_of >= 0, name_of_call[np.maximum(call_of, 0)], OUTSIDE) if len(calls) else call_of
    names, owner = _in_order_of_launch(ranges.names, owner, calls, call_of)
    ns = kernels.ns
    inferences = reader.inferences(around)
    instance = instance_of(inferences, calls, call_of, around)
    lost: Sequences = ()
    if level.sequences:
        outside = owner < 0
        lost = read_sequences(db, devices, kernels.where(outside), calls, call_of[outside], instance[outside])
    found = Attribution(
        ranges=names,
        parts=tuple(_parts(db, devices, kernels, owner, ns)),
        graph_ns=int(ns[kernels["graphNodeId"] > 0].sum()),
        unplaced_ns=int(ns[call_of < 0].sum()),
        sequences=lost,
    )
    return found, find_iterations(inferences, kernels, instance)


def _names_of_calls(calls: Calls, ranges: RangeTable, level: RangeLevel) -> Ints:
    """For each call the name index of its range, OUTSIDE where it has none."""
    found = np.full(len(calls), OUTSIDE, dtype=np.int64)
    began = np.full(len(calls), np.iinfo(np.int64).min, dtype=np.int64)
    for (owner, is_process), at in ranges.by_owner().items():
        of_owner = calls.of_owner(owner, is_process=is_process)
        start, end = calls.rows["start"][of_owner], calls.rows["end"][of_owner]
        tree = nest(ranges.start[at], ranges.end[at])
        inner = tree.innermost(start, end, level.depth)
        hit = inner >= 0
        chosen = at[inner[hit]]
        later = ranges.start[chosen] >= began[of_owner[hit]]  # of a thread's and a process's range the inner one
        target = of_owner[hit][later]
        found[target], began[target] = ranges.name[chosen[later]], ranges.start[chosen[later]]
    return found


def _in_order_of_launch(names: list[str], owner: Ints, calls: Calls, call_of: Ints) -> tuple[tuple[str, ...], Ints]:
    """The names that own kernels, by their first launch, and `owner` in the numbers of that order."""
    claimed = np.flatnonzero(owner >= 0)
    if not len(claimed):
        return (), owner
    launched = calls.rows["start"][call_of[claimed]]
    by_time = claimed[np.argsort(launched, kind="stable")]
    used, first = np.unique(owner[by_time], return_index=True)
    order = used[np.argsort(first)]
    renumber = np.full(len(names), OUTSIDE, dtype=np.int64)
    renumber[order] = np.arange(len(order))
    renumbered: Ints = np.where(owner >= 0, renumber[np.maximum(owner, 0)], OUTSIDE)
    return tuple(names[at] for at in order.tolist()), renumbered


def _parts(db: Database, devices: DeviceMap, kernels: Columns, owner: Ints, ns: Ints) -> list[RangePart]:
    """Sums by range, kernel name, device and process. Sums of whole ns below 2^53 are exact in float64."""
    owned = Columns(kernels.values | {"owner": owner})
    keys, code = combinations(owned, ("owner", "demangledName", "deviceId", "globalPid"))
    launches, times = np.bincount(code, minlength=len(keys)), np.bincount(code, weights=ns, minlength=len(keys))
    names = db.kernel_names({name for _, name, _, _ in keys})
    parts = []
    for (at, name, ordinal, global_pid), count, time in zip(keys, launches.tolist(), times.tolist(), strict=True):
        device, pid = devices.place(ordinal, global_pid)
        parts.append(RangePart(None if at < 0 else at, names[name], device, pid, count, int(time)))
    return parts
