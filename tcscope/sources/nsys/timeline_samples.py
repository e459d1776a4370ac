"""Sampled counters for a timeline: Tensor activity, instruction issue and DRAM, of each GPU."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
import numpy.typing as npt

from tcscope.sources.nsys import tables as t
from tcscope.sources.nsys.database import Database
from tcscope.sources.nsys.rows import Ints

_SHOWN = ("tensor active", "sm issue", "dram ")  # how the names of the metrics begin, in the order of their tracks
_CHUNK = 200_000


@dataclass(frozen=True, slots=True)
class Counter:
    """One metric of one GPU: `Tensor Active`, in `Throughput %`."""

    device: int
    name: str
    unit: str
    type_id: int
    metric_id: int


def is_shown(metric: str) -> bool:
    """Whether a metric of this name has a track in a timeline."""
    return metric.lower().startswith(_SHOWN)


def read_counters(db: Database) -> list[Counter]:
    """The metrics that a timeline shows. The low byte of a typeId is the GPU's id."""
    if not db.has(t.METRIC_NAMES, "typeId", "metricId", "metricName") or not db.has(t.METRICS, "timestamp", "value"):
        return []
    found = []
    for type_id, metric_id, full in db.rows(f"select distinct typeId, metricId, metricName from {t.METRIC_NAMES}"):
        name, _, unit = (full or "").partition(" [")
        rank = next((at for at, shown in enumerate(_SHOWN) if name.lower().startswith(shown)), None)
        if rank is not None:
            counter = Counter(type_id & 0xFF, name, unit.removesuffix("]"), type_id, metric_id)
            found.append((counter.device, rank, metric_id, counter))
    return [counter for *_, counter in sorted(found, key=lambda entry: entry[:3])]


def read_samples(db: Database, counter: Counter) -> Iterator[tuple[Ints, Ints]]:
    """Times and values of a metric in order of time; a time before the trace's zero is its zero."""
    dtype = np.dtype([("ts", np.int64), ("value", np.int64)])
    asked = f"select max(timestamp, 0), value from {t.METRICS} where typeId = ? and metricId = ? order by timestamp"
    with db.damage_told():
        rows = db.connection.execute(asked, (counter.type_id, counter.metric_id))
        while True:
            block: npt.NDArray[Any] = np.fromiter(islice(rows, _CHUNK), dtype=dtype)
            if not len(block):
                return
            yield np.ascontiguousarray(block["ts"]), np.ascontiguousarray(block["value"])
