"""Launches one by one, as numpy columns: for what a GROUP BY can't tell (ranges, first launches, medians, overlap)."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from tcscope.sources.nsys.database import Database
from tcscope.sources.nsys.parts import each_part
from tcscope.sources.nsys.tables import NO_ID
from tcscope.sources.nsys.totals import Sum, Sums

Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

_ROWS = 100_000  # read at once
_USUALLY_ONE = ("deviceId", "globalPid", "graphNodeId", "globalTid", "endGlobalTid", "eventType", "typeId")
_EARLIEST, _LATEST = -(1 << 61), 3 << 61  # ns: the difference of two such times stays within 64 bits
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
    db: Database,
    table: str,
    names: tuple[str, ...],
    where: str | None = None,
    bound: Sequence[Any] = (),
    told: Mapping[str, str] | None = None,
) -> Columns:
    """Columns of a table as int64 arrays, in the order of row ids; an absent column or a NULL reads as NO_ID.

    `where` is a condition in SQL, `bound` its parameters; `told` names conditions that become columns of 0 and 1. To
    hand values from SQLite to Python one by one costs more than all else here, so they come as one text for thousands
    of rows, and where all have one value, as that.
    """
    if table not in db.tables:
        return Columns({name: np.empty(0, dtype=np.int64) for name in (*names, *(told or ()))})
    select = {name: f"coalesce({db.column(table, name)}, {NO_ID})" for name in names}
    reader = _Reader(db, table, select | dict(told or {}), where, bound, set(told or ()).union(_USUALLY_ONE))
    parts = [part for part in each_part(db, table, _ROWS, reader.of_part) if len(part[names[0]])]
    values = {name: _joined([part.pop(name) for part in parts]) for name in reader.select}
    for name in {"start", "end", "timestamp"}.intersection(names):
        column = values[name]
        if len(column) and not _EARLIEST < int(column.min()) <= int(column.max()) < _LATEST:
            raise db.unsound(f"{table}.{name} is no time")
    return Columns(values)


@dataclass(frozen=True, slots=True)
class _Reader:
    """Reads columns, given as SQL, of the rows for which `where` holds; those in `once` are likely of one value."""

    db: Database
    table: str
    select: dict[str, str]
    where: str | None
    bound: Sequence[Any]
    once: set[str]  # what is found to vary in one part is taken to vary in those after it

    def of_part(self, connection: sqlite3.Connection, first: int, end: int) -> dict[str, Ints]:
        """The columns of the rows with these row ids."""
        part = f"from {self.table} not indexed where rowid >= {int(first)} and rowid < {int(end)}"
        if self.where:
            part += f" and ({self.where})"
        once = [name for name in self.select if name in self.once]
        often = [name for name in self.select if name not in once]
        ends = [f"{least}({self.select[name]})" for name in once for least in ("min", "max")]
        count, *found = self._asked(connection, ["count(*)", *ends, *map(self._listed, often)], part)
        if not count:
            return {name: np.empty(0, dtype=np.int64) for name in self.select}
        columns = dict(zip(often, found[len(ends) :], strict=True))
        same = {name: found[2 * at] for at, name in enumerate(once) if found[2 * at] == found[2 * at + 1]}
        varying = [name for name in once if name not in same]
        if varying:
            columns |= zip(varying, self._asked(connection, list(map(self._listed, varying)), part), strict=True)
            self.once.difference_update(varying)
        values = {name: self._numbers(name, text, count) for name, text in columns.items()}
        for name, value in same.items():
            if not isinstance(value, int):
                raise self._unsound(name)
            values[name] = np.broadcast_to(np.int64(value), count)
        return values

    def _asked(self, connection: sqlite3.Connection, what: list[str], part: str) -> tuple[Any, ...]:
        row: tuple[Any, ...] = connection.execute(f"select {', '.join(what)} {part}", self.bound).fetchone()
        return row

    def _listed(self, name: str) -> str:
        return f"group_concat({self.select[name]})"

    def _numbers(self, name: str, text: str, count: int) -> Ints:
        numbers: Ints = np.fromstring(text, dtype=np.int64, sep=",")
        if len(numbers) != count:  # it stops at the first thing that is no whole number
            raise self._unsound(name)
        return numbers

    def _unsound(self, name: str) -> Exception:
        return self.db.unsound(f"{self.table}.{name} holds something else than whole numbers")


def _joined(parts: list[Ints]) -> Ints:
    """The parts of a column as one; of one value throughout it takes no room."""
    if not parts:
        return np.empty(0, dtype=np.int64)
    first = parts[0][0]
    if all(part.strides == (0,) and part[0] == first for part in parts):
        return np.broadcast_to(first, sum(map(len, parts)))
    return np.concatenate(parts)


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
    """The rows of each combination of values in the columns `by`, without these columns."""
    keys, code = combinations(rows, by)
    small = code.astype(np.uint16) if len(keys) <= 1 << 16 else code  # which numpy sorts by counting
    order = np.argsort(small, kind="stable")
    ends = np.cumsum(np.bincount(code, minlength=len(keys))).tolist()
    columns = {name: column for name, column in rows.values.items() if name not in by}
    for key, (first, end) in zip(keys, pairwise([0, *ends]), strict=True):
        part = order[first:end]
        yield key, Columns({name: column[part] for name, column in columns.items()})


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
