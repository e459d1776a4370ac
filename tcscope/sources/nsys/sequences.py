"""The order of launches: inference by inference where the trace tells inferences apart, else thread by thread."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from tcscope.model import LaunchSequence
from tcscope.sources.nsys.calls import Calls
from tcscope.sources.nsys.database import Database
from tcscope.sources.nsys.devices import DeviceMap
from tcscope.sources.nsys.rows import Columns, Ints

Sequences = tuple[LaunchSequence, ...]


def read_sequences(
    db: Database,
    devices: DeviceMap,
    kernels: Columns,
    calls: Calls,
    call_of: Ints,
    instance: Ints,
) -> Sequences:
    """These kernels in the order of their calls (those of one CUDA graph: of their starts); equal runs are summed.

    A launch of a CUDA graph is an inference of its own; other kernels belong to that of the range around their call,
    `instance`.
    """
    if not len(kernels):
        return ()
    order, group, in_graph = _ordered(kernels, calls, call_of, instance)
    keys = np.stack([kernels["globalPid"], kernels["deviceId"], group])[:, order]
    edges = [0, *(np.flatnonzero(np.any(np.diff(keys, axis=1) != 0, axis=0)) + 1).tolist(), len(order)]
    names, ns = kernels["demangledName"][order], kernels.ns[order]
    sums: dict[tuple[int, int, bool, bool, bytes], tuple[Ints, int]] = {}
    for first, end in pairwise(edges):
        pid, device, number = keys[:, first].tolist()
        key = pid, device, number % 2 == 0, bool(in_graph[order[first]]), names[first:end].tobytes()
        times, count = sums.get(key, (np.int64(0), 0))
        sums[key] = times + ns[first:end], count + 1
    texts = db.kernel_names(np.unique(names).tolist())
    found = []
    for (global_pid, ordinal, is_inference, graph, packed), (times, count) in sums.items():
        ids = np.frombuffer(packed, dtype=np.int64).tolist()
        labels = tuple(texts[name] for name in ids)
        device, pid = devices.place(ordinal, global_pid)
        found.append(LaunchSequence(labels, device, pid, tuple(times.tolist()), count, is_inference, graph))
    return tuple(found)


def _ordered(kernels: Columns, calls: Calls, call_of: Ints, instance: Ints) -> tuple[Ints, Ints, Ints]:
    """The order of launch within groups, the group of each kernel, and whether a CUDA graph launched it.

    An even group is an inference, an odd one a thread.
    """
    placed = call_of >= 0
    at = np.maximum(call_of, 0)
    launched, thread = kernels["start"], kernels["globalPid"]
    if len(calls):
        launched = np.where(placed, calls.rows["start"][at], launched)
        thread = np.where(placed, calls.rows["globalTid"][at], thread)
    in_graph: Ints = ((kernels["graphNodeId"] > 0) & placed).astype(np.int64)
    inference = np.where(in_graph > 0, 2 * call_of, 2 * (instance + len(calls)))
    _, lane = np.unique(thread, return_inverse=True)
    group: Ints = np.where((in_graph > 0) | (instance >= 0), inference, 2 * lane.astype(np.int64) + 1)
    order: Ints = np.lexsort([kernels["start"], launched, group, kernels["deviceId"], kernels["globalPid"]]).astype(
        np.int64
    )
    return order, group, in_graph
