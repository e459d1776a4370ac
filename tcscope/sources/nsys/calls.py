"""The API calls that launched kernels, and the way from a kernel to its call: process and correlation id."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tcscope.sources.nsys import tables as t
from tcscope.sources.nsys.database import Database
from tcscope.sources.nsys.rows import Columns, Ints, read_columns

CALL_COLUMNS = ("globalTid", "correlationId", "start", "end")


@dataclass(frozen=True, slots=True)
class Calls:
    """API calls. `keys` holds (process, correlation id) of each as one integer, NO_ID where it has none."""

    rows: Columns
    processes: Ints
    known: Ints
    keys: Ints

    def __len__(self) -> int:
        return len(self.rows)

    def of_owner(self, owner: int, *, is_process: bool) -> Ints:
        """The numbers of the calls of a thread (globalTid) or of a whole process (globalPid)."""
        owners = self.processes if is_process else self.rows["globalTid"]
        found: Ints = np.flatnonzero(owners == owner)
        return found

    def keys_of(self, activity: Columns) -> Ints:
        """For each row of an activity table the key of the call that caused it."""
        return call_keys(activity["globalPid"], activity["correlationId"], self.known)

    def index_of(self, activity: Columns) -> Ints:
        """For each row of an activity table the number of the call that caused it; -1 where the trace lacks it."""
        wanted = self.keys_of(activity)
        if not len(self.keys):
            return np.full(len(wanted), t.NO_ID, dtype=np.int64)
        order = np.argsort(self.keys, kind="stable")  # nearly free where the calls stand in order, as nsys writes them
        keys = self.keys[order]
        at = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
        found: Ints = np.where((keys[at] == wanted) & (wanted != t.NO_ID), order[at], t.NO_ID)
        return found


def read_calls(db: Database) -> Calls:
    """All API calls of a trace."""
    return _calls(db, None)


def calls_behind(db: Database, activity: Columns) -> tuple[Calls, Ints]:
    """API calls, and for each row of an activity table the number of the one that caused it (NO_ID: not in the trace).

    Only launches are read, if they account for all of its rows.
    """
    launches = _calls(db, _launch_names(db))
    call_of = launches.index_of(activity)
    if np.any(call_of == t.NO_ID):
        launches = read_calls(db)
        call_of = launches.index_of(activity)
    return launches, call_of


def call_keys(processes: Ints, correlations: Ints, known: Ints) -> Ints:
    """One integer for (process, correlation id); NO_ID for what has no id or a process not in `known` (ascending)."""
    if not len(known):
        return np.full(len(processes), t.NO_ID, dtype=np.int64)
    at = np.minimum(np.searchsorted(known, processes), len(known) - 1)
    valid = (known[at] == processes) & (correlations >= 0)
    keys: Ints = np.where(valid, (at.astype(np.int64) << 32) | (correlations & 0xFFFFFFFF), t.NO_ID)
    return keys


def _calls(db: Database, where: str | None) -> Calls:
    rows = read_columns(db, t.RUNTIME, CALL_COLUMNS, where)
    processes: Ints = rows["globalTid"] & t.PROCESS_MASK
    known = np.unique(processes)
    return Calls(rows, processes, known, call_keys(processes, rows["correlationId"], known))


def _launch_names(db: Database) -> str | None:
    """SQL that leaves the calls whose name speaks of a launch: most API calls of a trace are others."""
    if not db.has(t.RUNTIME, "nameId") or not db.has(t.STRINGS, "id", "value"):
        return None
    ids = [str(row[0]) for row in db.rows(t.LAUNCH_NAMES) if isinstance(row[0], int)]
    return f"nameId in ({', '.join(ids)})" if ids else None
