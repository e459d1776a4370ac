"""Inferences of a trace: the instances of one NVTX range, and what the GPU did in each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields

import numpy as np

from tcscope.model import Instance, Iterations
from tcscope.sources.nsys import tables as t
from tcscope.sources.nsys.calls import Calls
from tcscope.sources.nsys.range_table import STILL_OPEN, WHOLE_INFERENCE, RangeTable
from tcscope.sources.nsys.rows import Columns, Ints
from tcscope.sources.nsys.sweep import nest

_MOST_INSTANCES = 1000  # that a report keeps one by one: what a reader can look at, and a JSON of some 100 kB


def find_iterations(ranges: RangeTable, kernels: Columns, instance: Ints) -> Iterations | None:
    """The inferences in which a kernel was launched; `instance` is as `instance_of` gives it. None without any."""
    inside = kernels.where(instance >= 0)
    if not len(inside):
        return None
    used, which = np.unique(instance[instance >= 0], return_inverse=True)
    instances = _instances(ranges, used, inside, which.astype(np.int64))
    return Iterations(
        name=ranges.names[int(ranges.name[used[0]])],
        count=len(used),
        wall_ns=int(instances["wall_ns"].sum()),
        kernel_ns=int(instances["kernel_ns"].sum()),
        span_ns=int(instances["span_ns"].sum()),
        idle_ns=int(instances["idle_ns"].sum()),
        instances=tuple(_first(instances)),
    )


def instance_of(ranges: RangeTable, calls: Calls, call_of: Ints, name: str | None) -> Ints:
    """For each kernel the number of the range that is its inference, NO_ID where it has none.

    Inferences are the ranges called `name` or, without one, those that enclose one TensorRT enqueue each.
    """
    of_call = np.full(len(calls), t.NO_ID, dtype=np.int64)
    chosen = chosen_inferences(ranges, name)
    for (owner, is_process), at in _by_owner(ranges, chosen).items() if len(chosen) else ():
        mine = calls.of_owner(owner, is_process=is_process)
        inner = nest(ranges.start[at], ranges.end[at]).innermost(calls.rows["start"][mine], calls.rows["end"][mine])
        of_call[mine[inner >= 0]] = at[inner[inner >= 0]]
    if not len(calls):
        return np.full(len(call_of), t.NO_ID, dtype=np.int64)
    found: Ints = np.where(call_of >= 0, of_call[np.maximum(call_of, 0)], t.NO_ID)
    return found


def chosen_inferences(ranges: RangeTable, name: str | None) -> Ints:
    """The numbers of the ranges that are inferences: those called `name`, else those around TensorRT's enqueues."""
    return _named(ranges, name) if name is not None else _around_enqueues(ranges)


def _first(instances: Columns) -> Iterator[Instance]:
    """The first instances by time, one by one."""
    order = np.argsort(instances["start_ns"], kind="stable")[:_MOST_INSTANCES].tolist()
    names = [field.name for field in fields(Instance)]
    for at in order:
        yield Instance(*(int(instances[name][at]) for name in names))


def _named(ranges: RangeTable, name: str) -> Ints:
    if name not in ranges.names:
        return np.empty(0, dtype=np.int64)
    return np.flatnonzero(ranges.name == ranges.names.index(name)).astype(np.int64)


def _around_enqueues(ranges: RangeTable) -> Ints:
    """The enqueue ranges or, if each lies alone in an instance of one outer range, the outermost such ranges."""
    wanted = [number for number, name in enumerate(ranges.names) if name.startswith(WHOLE_INFERENCE)]
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
    found = {owner: at[np.isin(at, chosen)] for owner, at in ranges.by_owner().items()}
    return {owner: at for owner, at in found.items() if len(at)}


def _instances(ranges: RangeTable, used: Ints, kernels: Columns, instance: Ints) -> Columns:
    """The fields of `Instance` as columns, a row for each range in `used`; `instance` is the row of each kernel."""
    number = len(used)
    first = np.full(number, np.iinfo(np.int64).max)
    last = np.zeros(number, dtype=np.int64)
    np.minimum.at(first, instance, kernels["start"])
    np.maximum.at(last, instance, np.maximum(kernels["end"], kernels["start"]))
    start = ranges.start[used]
    end = np.where(ranges.end[used] == STILL_OPEN, np.maximum(last, start), ranges.end[used])
    return Columns(
        {
            "start_ns": start - start.min(),
            "wall_ns": end - start,
            "launches": np.bincount(instance, minlength=number).astype(np.int64),
            "kernel_ns": np.bincount(instance, weights=kernels.ns, minlength=number).astype(np.int64),
            "span_ns": last - first,
            "idle_ns": last - first - _busy_ns(kernels, instance, first, int((last - first).max())),
        }
    )


def _busy_ns(kernels: Columns, instance: Ints, first: Ints, longest: int) -> Ints:
    """The time of each instance in which at least one of its kernels ran.

    As in `union_ns` a kernel adds what lies after all ends so far. Instances, which may overlap, are moved apart.
    """
    order = np.lexsort((kernels["start"], instance))
    of = instance[order]
    shift = of * (longest + 1) - first[of]
    start = kernels["start"][order] + shift
    end = np.maximum(kernels["end"][order] + shift, start)
    reached = np.maximum.accumulate(end)
    begun = np.concatenate([start[:1], np.maximum(start[1:], reached[:-1])])
    return np.bincount(of, weights=np.maximum(end - begun, 0), minlength=len(first)).astype(np.int64)
