"""Launches one by one, as numpy columns: for what a GROUP BY can't tell (ranges, first launches, medians, overlap)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from tcscope.sources.nsys.database import Database
from tcscope.sources.nsys.totals import Sum, Sums

Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

KERNEL_COLUMNS = ("demangledName", "deviceId", "globalPid", "correlationId", "start", "end")
NO_ID = -1  # stands for NULL: no launch call has it


@dataclass(frozen=True, slots=True)
class Columns:
    """Rows of one activity table, a numpy array a column."""

    values: dict[str, Ints]

    def __getitem__(self, name: str) -> Ints:
        return self.values[name]

    def __len__(self) -> int:
        return len(next(iter(self.values.values())))

    @property
    def ns(self) -> Ints:
        """Durations; one that ends before it starts is 0."""
        duration: Ints = np.maximum(self["end"] - self["start"], 0)
        return duration

    def where(self, mask: Mask) -> Columns:
        """The rows for which `mask` holds."""
        return Columns({name: column[mask] for name, column in self.values.items()})


def read_columns(db: Database, table: str, names: tuple[str, ...]) -> Columns:
    """Columns of a table as int64 arrays; an absent column or a NULL reads as NO_ID."""
    select = ", ".join(f"coalesce({db.column(table, name)}, {NO_ID})" for name in names)
    rows = db.rows(f"select {select} from {table}") if table in db.tables else iter(())
    dtype = np.dtype([(name, np.int64) for name in names])
    block: npt.NDArray[Any] = np.fromiter(rows, dtype=dtype)
    return Columns({name: np.ascontiguousarray(block[name]) for name in names})


def sum_rows(rows: Columns) -> Sums:
    """The same sums as `sum_launches`, over these launches."""
    sums: Sums = {}
    for (name, ordinal, global_pid), group in groups(rows, ("demangledName", "deviceId", "globalPid")):
        ns = group.ns
        negative = int(np.count_nonzero(group["end"] < group["start"]))
        sums[name, ordinal, global_pid] = Sum(len(group), int(ns.sum()), int(ns.min()), int(ns.max()), negative)
    return sums


def groups(rows: Columns, by: tuple[str, ...]) -> Iterator[tuple[tuple[int, ...], Columns]]:
    """The rows of each combination of values in the columns `by`."""
    if not len(rows):
        return
    order = np.lexsort([rows[name] for name in by])
    changed = np.zeros(len(order), dtype=np.bool_)
    changed[0] = True
    for name in by:
        changed[1:] |= np.diff(rows[name][order]) != 0
    edges = [*np.flatnonzero(changed).tolist(), len(order)]
    for first, end in pairwise(edges):
        part = order[first:end]
        key = tuple(int(rows[name][part[0]]) for name in by)
        yield key, Columns({name: column[part] for name, column in rows.values.items()})


def union_ns(parts: list[Columns]) -> int:
    """The time in ns during which at least one of the rows ran."""
    start = np.concatenate([part["start"] for part in parts])
    end = np.concatenate([part["end"] for part in parts])
    order = np.argsort(start, kind="stable")
    start, end = start[order], np.maximum(end[order], start[order])
    reached = np.maximum.accumulate(end)
    begun = np.concatenate([start[:1], np.maximum(start[1:], reached[:-1])])
    return int(np.maximum(end - begun, 0).sum())


def skip_first(rows: Columns, count: int) -> Columns:
    """The launches but the first `count` by start time."""
    order = np.argsort(rows["start"], kind="stable")[count:]
    keep = np.zeros(len(rows), dtype=np.bool_)
    keep[order] = True
    return rows.where(keep)
