"""Which launches an NVTX range encloses: process- and thread-correct, in one sweep a thread."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from tcscope.errors import TraceError, did_you_mean
from tcscope.model import Selection
from tcscope.sources.nsys import tables as t
from tcscope.sources.nsys.database import Database
from tcscope.sources.nsys.nvtx import range_counts
from tcscope.sources.nsys.rows import Columns, Ints, Mask, read_columns
from tcscope.wording import count

_NEVER = np.iinfo(np.int64).max  # the end of a range that is still open


@dataclass(frozen=True, slots=True)
class LaunchFilter:
    """Which rows of an activity table a range selects: those whose (process, correlation id) is a launch inside it."""

    processes: Ints
    calls: Ints
    selected: Ints

    def mask(self, rows: Columns) -> Mask:
        """Whether each row was caused by a selected call."""
        return np.isin(self._keys(rows), self.selected)

    def is_placed(self, rows: Columns) -> Mask:
        """Whether the trace has the call that caused each row, selected or not."""
        return np.isin(self._keys(rows), self.calls)

    def _keys(self, rows: Columns) -> Ints:
        return _call_keys(rows["globalPid"], rows["correlationId"], self.processes)


def range_filter(db: Database, selection: Selection) -> LaunchFilter:
    """The API calls inside an NVTX range: on its thread, or on any thread of its process if it began and ended on two.

    Raises TraceError where the trace has no such range, or not enough instances of it.
    """
    name = selection.range or ""
    windows = _instances(db, name, selection.skip)
    calls = read_columns(db, t.RUNTIME, ("globalTid", "correlationId", "start", "end"))
    tids, processes = calls["globalTid"], calls["globalTid"] & t.PROCESS_MASK
    inside = np.zeros(len(calls), dtype=np.bool_)
    for (owner, is_process), window in windows.items():
        inside |= _inside(calls, window, (processes if is_process else tids) == owner)
    known = np.unique(processes)
    keys = _call_keys(processes, calls["correlationId"], known)
    has_id = keys != t.NO_ID
    return LaunchFilter(known, keys[has_id], keys[has_id & inside])


def _instances(db: Database, name: str, skip: int) -> dict[tuple[int, bool], Ints]:
    """The (start, end) of a range's instances, by the thread or (True) the process that they cover."""
    by_owner: dict[tuple[int, bool], list[tuple[int, int]]] = {}
    found = list(_range_rows(db, name))
    if not found:
        known = [found.name for found in range_counts(db)]
        if not known:
            raise TraceError(f"{db.path} has no NVTX ranges", "capture with `nsys profile -t cuda,nvtx ...`")
        raise TraceError(
            f"{db.path} has no NVTX range '{name}'{did_you_mean(name, known)}", f"tcscope info {db.path}  # lists them"
        )
    if len(found) <= skip:
        raise TraceError(
            f"--skip {skip} leaves nothing: range '{name}' has {count(len(found), 'instance')}",
            f"--skip {len(found) - 1}  # leaves the last one",
        )
    for start, end, tid, end_tid, kind in found[skip:]:
        crosses = kind in t.START_END and end_tid is not None and end_tid != tid
        owner = tid & t.PROCESS_MASK if crosses else tid
        by_owner.setdefault((owner, crosses), []).append((start, end))
    return {owner: np.array(windows, dtype=np.int64) for owner, windows in by_owner.items()}


def _range_rows(db: Database, name: str) -> Iterator[tuple[Any, ...]]:
    """start, end (never-ending: the largest time), globalTid, endGlobalTid, eventType of a range's instances."""
    if not db.has(t.NVTX, "start", "end", "eventType", "globalTid"):
        return
    text = db.column(t.NVTX, "text")
    registered = f"select id from {t.STRINGS} where value = ?1" if t.STRINGS in db.tables else "select null"
    yield from db.rows(
        f'select start, coalesce("end", {_NEVER}), globalTid, {db.column(t.NVTX, "endGlobalTid")}, eventType'
        f" from {t.NVTX} where eventType in {t.PUSH_POP + t.START_END} and globalTid is not null"
        f" and ({text} = ?1 or ({text} is null and {db.column(t.NVTX, 'textId')} in ({registered})))"
        " order by start",
        (name,),
    )


def _inside(calls: Columns, windows: Ints, candidates: Mask) -> Mask:
    """Whether each candidate call lies inside one window: the latest end among the windows begun by then reaches it."""
    starts, latest_end = windows[:, 0], np.maximum.accumulate(windows[:, 1])
    at = np.searchsorted(starts, calls["start"], side="right") - 1
    inside: Mask = candidates & (at >= 0) & (latest_end[np.maximum(at, 0)] >= calls["end"])
    return inside


def _call_keys(processes: Ints, correlations: Ints, known: Ints) -> Ints:
    """One integer for (process, correlation id); -1 for what has no id or an unknown process."""
    at = np.searchsorted(known, processes)
    at_known = np.minimum(at, len(known) - 1) if len(known) else at
    valid = (
        (known[at_known] == processes) & (correlations >= 0) if len(known) else np.zeros(len(processes), dtype=np.bool_)
    )
    keys: Ints = np.where(valid, (at.astype(np.int64) << 32) | (correlations & 0xFFFFFFFF), t.NO_ID)
    return keys
