"""Launches one by one, as numpy columns: for what a GROUP BY can't tell (ranges, first launches, medians, overlap)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from tcscope.sources.nsys.database import Database
from tcscope.sources.nsys.tables import NO_ID
from tcscope.sources.nsys.totals import Sum, Sums

Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

_USUALLY_ONE = ("deviceId", "globalPid", "graphNodeId")
KERNEL_COLUMNS = ("demangledName", "deviceId", "globalPid", "correlationId", "start", "end", "graphNodeId")


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


def read_columns(
    db: Database, table: str, names: tuple[str, ...], where: str | None = None, bound: Sequence[Any] = ()
) -> Columns:
    """Columns of a table as int64 arrays; an absent column or a NULL reads as NO_ID. `where` is a condition in SQL,
    `bound` its parameters.

    To hand a value from SQLite to Python costs more than all else here, so a column of one value is not read at all.
    """
    if table not in db.tables:
        return Columns({name: np.empty(0, dtype=np.int64) for name in names})
    part = f"from {table} where {where}" if where else f"from {table}"
    select = {name: f"coalesce({db.column(table, name)}, {NO_ID})" for name in names}
    constant = _constants(db, part, bound, {name: sql for name, sql in select.items() if name in _USUALLY_ONE})
    varying = [name for name in names if name not in constant]
    with db.damage_told():
        rows = db.connection.execute(f"select {', '.join(select[name] for name in varying)} {part}", bound)
        block: npt.NDArray[Any] = np.fromiter(rows, dtype=np.dtype([(name, np.int64) for name in varying]))
    values = {name: np.ascontiguousarray(block[name]) for name in varying}
    return Columns(
        {name: values.get(name, np.broadcast_to(np.int64(constant.get(name, NO_ID)), len(block))) for name in names}
    )


def _constants(db: Database, part: str, bound: Sequence[Any], select: dict[str, str]) -> dict[str, int]:
    """Those of these columns that hold one value in all rows; a column that doesn't shows it in its first rows."""
    first = next(db.rows(f"select {', '.join(select.values())} {part} limit 1", bound), None) if select else None
    if first is None:
        return {}
    values = dict(zip(select, first, strict=True))
    joined = "and" if " where " in part else "where"
    while values:
        names = ", ".join(select[name] for name in values)
        differs = " or ".join(f"{select[name]} <> ?" for name in values)
        others = f"select {names} {part} {joined} ({differs}) limit 1"
        other = next(db.rows(others, (*bound, *values.values())), None)
        if other is None:
            break
        values = {name: value for (name, value), seen in zip(values.items(), other, strict=True) if seen == value}
    return values


def sum_rows(rows: Columns) -> Sums:
    """The same sums as `sum_launches`, over these launches. Sums of whole ns below 2^53 are exact in float64."""
    keys, code = combinations(rows, ("demangledName", "deviceId", "globalPid"))
    ns, number = rows.ns, len(keys)
    low, high = np.full(number, np.iinfo(np.int64).max), np.zeros(number, dtype=np.int64)
    np.minimum.at(low, code, ns)
    np.maximum.at(high, code, ns)
    launches, total = np.bincount(code, minlength=number), np.bincount(code, weights=ns, minlength=number)
    negative = np.bincount(code, weights=rows["end"] < rows["start"], minlength=number)
    columns = (column.astype(np.int64).tolist() for column in (launches, total, low, high, negative))
    return {(key[0], key[1], key[2]): Sum(*of) for key, of in zip(keys, zip(*columns, strict=True), strict=True)}


def combinations(rows: Columns, by: tuple[str, ...]) -> tuple[list[tuple[int, ...]], Ints]:
    """The distinct combinations of values in the columns `by`, and for each row the number of its combination."""
    code: Ints = np.zeros(len(rows), dtype=np.int64)
    for name in by:
        values, at = factorized(rows[name])
        _, code = factorized(code * max(len(values), 1) + at)
    first = np.zeros(int(code.max()) + 1 if len(code) else 0, dtype=np.int64)
    first[code[::-1]] = np.arange(len(code))[::-1]  # of equal numbers the last assignment counts: the first row's
    return [tuple(int(rows[name][at]) for name in by) for at in first.tolist()], code


def factorized(column: Ints) -> tuple[Ints, Ints]:
    """The distinct values, ascending, and for each row the position of its value: without a sort where values allow."""
    if not len(column):
        return column, column
    low, high = int(column.min()), int(column.max())
    if low == high:
        return column[:1], np.zeros(len(column), dtype=np.int64)
    if high - low > 4 * len(column) + 1_000_000:
        values, at = np.unique(column, return_inverse=True)
        return values, at.astype(np.int64)
    shifted = column - low
    seen = np.zeros(high - low + 1, dtype=np.bool_)
    seen[shifted] = True
    position: Ints = np.cumsum(seen, dtype=np.int64) - 1
    return np.flatnonzero(seen) + low, position[shifted]


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
