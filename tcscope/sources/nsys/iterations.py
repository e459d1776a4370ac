"""Inferences of a trace: the instances of one NVTX range, and what the GPU did in each."""

from __future__ import annotations

import numpy as np

from tcscope.model import Iterations, RangeLevel
from tcscope.sources.nsys import tables as t
from tcscope.sources.nsys.calls import Calls
from tcscope.sources.nsys.database import Database
from tcscope.sources.nsys.range_table import RangeTable, read_ranges
from tcscope.sources.nsys.rows import Columns, Ints, union_ns
from tcscope.sources.nsys.sweep import nest

_ENQUEUE = "ExecutionContext::enqueue"  # TensorRT's range around one inference: ...::enqueue, ...V2, ...V3


def find_iterations(db: Database, kernels: Columns, calls: Calls, call_of: Ints, name: str | None) -> Iterations | None:
    """The instances of range `name` or, without one, the ranges that enclose one TensorRT enqueue each.

    Only instances in which a selected kernel was launched count. None where the trace has nothing of the kind.
    """
    ranges = read_ranges(db, RangeLevel(layers=False))
    chosen = _named(ranges, name) if name is not None else _around_enqueues(ranges)
    if not len(chosen):
        return None
    instance = np.full(len(kernels), t.NO_ID, dtype=np.int64)
    placed = np.flatnonzero(call_of >= 0)
    call = call_of[placed]
    of_call = np.full(len(calls), t.NO_ID, dtype=np.int64)
    for (owner, is_process), at in _by_owner(ranges, chosen).items():
        mine = np.flatnonzero((calls.processes if is_process else calls.rows["globalTid"]) == owner)
        inner = nest(ranges.start[at], ranges.end[at]).innermost(calls.rows["start"][mine], calls.rows["end"][mine])
        of_call[mine[inner >= 0]] = at[inner[inner >= 0]]
    instance[placed] = of_call[call]
    inside = kernels.where(instance >= 0)
    if not len(inside):
        return None
    used, which = np.unique(instance[instance >= 0], return_inverse=True)
    span_ns, busy_ns = _span_and_busy(inside, which.astype(np.int64), len(used))
    return Iterations(
        name=ranges.names[int(ranges.name[used[0]])],
        count=len(used),
        wall_ns=int((ranges.end[used] - ranges.start[used]).sum()),
        kernel_ns=int(inside.ns.sum()),
        span_ns=span_ns,
        idle_ns=span_ns - busy_ns,
    )


def _named(ranges: RangeTable, name: str) -> Ints:
    if name not in ranges.names:
        return np.empty(0, dtype=np.int64)
    return np.flatnonzero(ranges.name == ranges.names.index(name)).astype(np.int64)


def _around_enqueues(ranges: RangeTable) -> Ints:
    """The enqueue ranges or, if each lies alone in an instance of one outer range, the outermost such ranges."""
    wanted = [number for number, name in enumerate(ranges.names) if name.startswith(_ENQUEUE)]
    chosen = np.flatnonzero(np.isin(ranges.name, wanted)).astype(np.int64)
    parent = _parents(ranges)
    while len(chosen):
        outer = parent[chosen]
        if np.any(outer < 0) or len(np.unique(outer)) < len(chosen) or len(np.unique(ranges.name[outer])) > 1:
            return chosen
        chosen = outer
    return chosen


def _parents(ranges: RangeTable) -> Ints:
    """For each range the number of the one around it on its thread, -1 without."""
    parents = np.full(len(ranges.start), t.NO_ID, dtype=np.int64)
    for at in ranges.by_owner().values():
        tree = nest(ranges.start[at], ranges.end[at])
        has = tree.parent >= 0
        parents[at[tree.order[has]]] = at[tree.order[tree.parent[has]]]
    return parents


def _by_owner(ranges: RangeTable, chosen: Ints) -> dict[tuple[int, bool], Ints]:
    wanted = set(chosen.tolist())
    found = {owner: at[np.isin(at, chosen)] for owner, at in ranges.by_owner().items()}
    return {owner: at for owner, at in found.items() if len(at) and wanted}


def _span_and_busy(kernels: Columns, instance: Ints, count: int) -> tuple[int, int]:
    """The spans from first start to last end, and the time in which a kernel ran, summed over instances."""
    first = np.full(count, np.iinfo(np.int64).max)
    last = np.zeros(count, dtype=np.int64)
    np.minimum.at(first, instance, kernels["start"])
    np.maximum.at(last, instance, kernels["end"])
    apart = int((last - first).max()) + 1  # instances are moved apart, so that the union of one can't reach another
    shift = instance * apart - first[instance]
    moved = Columns({"start": kernels["start"] + shift, "end": kernels["end"] + shift})
    return int((last - first).sum()), union_ns([moved])
