"""A large table read in parts by rowid, in several threads: sqlite3 lets go of the interpreter lock in every query."""

from __future__ import annotations

import os
import sqlite3
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from itertools import pairwise
from typing import TypeVar

from tcscope.progress import tell
from tcscope.sources.nsys import tables as t
from tcscope.sources.nsys.database import Database

_MOST_THREADS = 4
_SMALLEST_ROW = 10  # bytes; so that a file can't hold more rows than its size allows, whatever its row ids say
_NOUNS = {
    t.KERNEL: "launches",
    t.RUNTIME: "API calls",
    t.NVTX: "ranges",
    t.METRICS: "samples",
    t.MEMCPY: "memory copies",
    t.MEMSET: "memory sets",
}

Result = TypeVar("Result")
Read = Callable[[sqlite3.Connection, int, int], Result]  # a connection, the first row id, and that after the last


def each_part(db: Database, table: str, rows: int, read: Read[Result]) -> Iterator[Result]:
    """What `read` makes of each part of a table, some `rows` large, in the order of row ids."""
    with db.damage_told():
        bounds = db.row(f"select (select min(rowid) from {table}), (select max(rowid) from {table})")
        if bounds[0] is None:
            return
        first, end = bounds[0], bounds[1] + 1
        parts = 1 + min((end - first) // rows, db.size // (rows * _SMALLEST_ROW))
        edges = [first + (end - first) * at // parts for at in range(parts + 1)]
        for number, result in enumerate(_in_order(db, list(pairwise(edges)), read), start=1):
            yield result
            tell(_NOUNS.get(table, "rows"), (end - first) * number // parts, end - first)


def _in_order(db: Database, parts: list[tuple[int, int]], read: Read[Result]) -> Iterator[Result]:
    threads = min(processors(), _MOST_THREADS, len(parts))
    if threads == 1:
        yield from (read(db.connection, *part) for part in parts)
        return
    with ExitStack() as stack:
        idle = deque(stack.enter_context(closing(db.connect())) for _ in range(threads))

        def read_one(part: tuple[int, int]) -> Result:
            connection = idle.pop()
            try:
                return read(connection, *part)
            finally:
                idle.append(connection)

        yield from stack.enter_context(ThreadPoolExecutor(threads)).map(read_one, parts)


def processors() -> int:
    """How many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):  # not on Windows and macOS
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
