"""Launches summed by kernel, device and process, in SQL: the fast way through a whole trace.

SQLite groups by sorting, and ten thousand rows at a time sort faster than all at once, which spill into a file. Nearly
every trace is of one device and one process: then rows are grouped by name alone, which is a fifth cheaper again.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tcscope.sources.nsys import tables as t
from tcscope.sources.nsys.database import Database
from tcscope.sources.nsys.parts import each_part

_ROWS = 20_000  # grouped at once: fewer cost more where a trace has hundreds of kernels, more don't stay in the cache


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
_Group = tuple[Any, ...]  # name, device, process, launches, ns, min_ns, max_ns, negative


def sum_launches(db: Database) -> Sums:
    """All launches of an export, summed by (demangledName, deviceId, globalPid)."""
    whole: Sums = {}
    with db.damage_told():
        for groups in each_part(db, t.KERNEL, _ROWS, _Grouping(db).of_part):
            for name, ordinal, global_pid, *sums in groups:
                found = whole.get((name, ordinal, global_pid))
                if found is None:
                    whole[name, ordinal, global_pid] = Sum(*sums)
                else:
                    found.add(Sum(*sums))
    return whole


class _Grouping:
    """Groups the launches of parts of the table; once a part was of several processes or devices, so may be others."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._process = db.column(t.KERNEL, "globalPid")
        self._mixed = False

    def of_part(self, connection: sqlite3.Connection, first: int, end: int) -> list[_Group]:
        """The groups of the launches with these row ids, checked."""
        part = f"{t.KERNEL} not indexed where rowid >= {int(first)} and rowid < {int(end)}"
        if not self._mixed:
            one = connection.execute(f"select deviceId, {self._process} from {part} limit 1").fetchone()
            if one is None:
                return []
            of_one = f"{part} and deviceId is ? and {self._process} is ?"
            groups = [(group[0], *one, *group[1:]) for group in _grouped(connection, "demangledName", of_one, one)]
            if sum(group[3] for group in groups) == end - first:
                return self._checked(groups)
            self._mixed = True  # or there are gaps in the row ids: then it is only slower
        return self._checked(_grouped(connection, f"demangledName, deviceId, {self._process}", part))

    def _checked(self, groups: list[_Group]) -> list[_Group]:
        for group in groups:
            if not all(isinstance(number, int) for number in group[3:]):
                raise self._db.unsound(f"times in {t.KERNEL} are no whole numbers")
            if not all(number is None or isinstance(number, int) for number in group[:3]):
                raise self._db.unsound(f"names, devices or processes in {t.KERNEL} are no ids")
        return [(*(t.NO_ID if number is None else number for number in group[:3]), *group[3:]) for group in groups]


def _grouped(connection: sqlite3.Connection, keys: str, part: str, bound: Sequence[Any] = ()) -> list[_Group]:
    """The groups of a part with the number of their negative durations; those count as 0."""
    ns = "end - start"
    plain = f"select {keys}, count(*), sum({ns}), min({ns}), max({ns}), 0 from {part} group by {keys}"
    groups = connection.execute(plain, bound).fetchall()
    if all(group[-3] >= 0 for group in groups):
        return groups
    ns = "max(end - start, 0)"
    clamped = f"select {keys}, count(*), sum({ns}), min({ns}), max({ns}), sum(end < start) from {part} group by {keys}"
    return connection.execute(clamped, bound).fetchall()
