"""Launches summed by kernel, device and process, in SQL: the fast way through a whole trace.

The kernel table is halved by rowid and each half grouped in its own thread (sqlite3 lets go of the interpreter lock).
Grouping by one column is a quarter cheaper than by three, and nearly every half is of one device and one process: that
is looked at first.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise

from tcscope.sources.nsys import tables as t
from tcscope.sources.nsys.database import Database

_THREADED_FROM = 50_000  # rows; below, starting threads costs more than it saves


@dataclass(slots=True)
class Sum:
    """Launches of one (name id, CUDA ordinal, globalPid), and how many of them end before they start."""

    launches: int
    ns: int
    min_ns: int
    max_ns: int
    negative: int

    def add(self, other: Sum) -> None:
        """Take in another part of the same launches."""
        self.launches += other.launches
        self.ns += other.ns
        self.min_ns = min(self.min_ns, other.min_ns)
        self.max_ns = max(self.max_ns, other.max_ns)
        self.negative += other.negative


Key = tuple[int, int, int]  # NO_ID stands for NULL
Sums = dict[Key, Sum]


def sum_launches(db: Database) -> Sums:
    """All launches of an export, summed by (demangledName, deviceId, globalPid)."""
    first, last = db.row(f"select min(rowid), max(rowid) from {t.KERNEL}")
    if first is None:
        return {}
    count = last - first + 1
    parts = min(os.cpu_count() or 1, 2) if count >= _THREADED_FROM else 1
    edges = [first + count * i // parts for i in range(parts)] + [last + 1]
    with db.damage_told(), ThreadPoolExecutor(parts) as pool:
        return _merged(pool.map(lambda part: _sum_part(db, *part), pairwise(edges)))


def _sum_part(db: Database, first: int, end: int) -> Sums:
    connection = db.connect()
    try:
        process = db.column(t.KERNEL, "globalPid")
        part = f"from {t.KERNEL} where rowid >= {int(first)} and rowid < {int(end)}"
        one = connection.execute(f"select deviceId, {process} {part} limit 1").fetchone()
        if one is None:
            return {}
        other = f"select 1 {part} and (deviceId is not ? or {process} is not ?) limit 1"
        mixed = connection.execute(other, one).fetchone() is not None
        keys = f"demangledName, deviceId, {process}" if mixed else "demangledName"
        sums: Sums = {}
        for *key, launches, ns, low, high, negative in _grouped(connection, keys, part):
            ids = key if mixed else (key[0], *one)
            name, ordinal, global_pid = (t.NO_ID if number is None else number for number in ids)
            sums[name, ordinal, global_pid] = Sum(launches, ns, low, high, negative)
        return sums
    finally:
        connection.close()


def _grouped(connection: sqlite3.Connection, keys: str, part: str) -> Iterable[tuple[int, ...]]:
    """The groups of a part with the number of their negative durations; those count as 0."""
    ns = "end - start"
    plain = f"select {keys}, count(*), sum({ns}), min({ns}), max({ns}), 0 {part} group by {keys}"
    rows = connection.execute(plain).fetchall()
    if all(row[-3] >= 0 for row in rows):
        return rows
    ns = "max(end - start, 0)"
    clamped = f"select {keys}, count(*), sum({ns}), min({ns}), max({ns}), sum(end < start) {part} group by {keys}"
    return connection.execute(clamped).fetchall()


def _merged(parts: Iterator[Sums]) -> Sums:
    whole: Sums = {}
    for part in parts:
        for key, found in part.items():
            if key in whole:
                whole[key].add(found)
            else:
                whole[key] = found
    return whole
