"""Times of layers: `trtexec --exportProfile`."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tcscope.errors import TraceError
from tcscope.sources.trtexec.repair import read_json

AGAIN = "trtexec --loadEngine=ENGINE --exportProfile=PROFILE.json --separateProfileRun --profilingVerbosity=detailed"


@dataclass(frozen=True, slots=True)
class ProfileRow:
    """One row: a layer's name and its time, summed over all inferences. A name may have several rows."""

    name: str
    ns: int


@dataclass(frozen=True, slots=True)
class Profile:
    """The rows of a profile in their order; `count` is the number of inferences."""

    count: int
    rows: tuple[ProfileRow, ...]


def read_profile(path: Path) -> Profile:
    """A profile file. Raises UsageError and TraceError."""
    return profile_of(read_json(path), path)


def profile_of(data: Any, path: Path) -> Profile:
    """The profile in a file's JSON value. Raises TraceError where it is none, or where it is empty."""
    if not is_profile(data):
        what = "it holds the times of whole inferences (--exportTimes)" if is_times(data) else "it has no 'timeMs'"
        raise TraceError(f"{path} is no profile of trtexec: {what}", AGAIN)
    counts = [entry["count"] for entry in data if isinstance(entry.get("count"), int)]
    count = max(counts[0], 1) if counts else 1
    rows = tuple(ProfileRow(str(entry.get("name", "")), _ns(entry, count)) for entry in data if "name" in entry)
    if not rows:
        raise TraceError(f"{path} has no rows: trtexec profiled no inference", AGAIN)
    return Profile(count, rows)


def is_profile(data: Any) -> bool:
    """Whether a JSON value is a list of timed layers, its head alone included."""
    if not isinstance(data, list) or not data or not all(isinstance(entry, Mapping) for entry in data):
        return False
    return all("timeMs" in entry or "averageMs" in entry for entry in data if "count" not in entry)


def is_times(data: Any) -> bool:
    """Whether a JSON value is a list of inferences with their times (`--exportTimes`)."""
    return isinstance(data, list) and bool(data) and isinstance(data[0], Mapping) and "computeMs" in data[0]


def _ns(entry: Mapping[str, Any], count: int) -> int:
    """A row's time in whole ns; what is no time counts as 0."""
    for key, times in (("timeMs", 1), ("averageMs", count)):
        value = entry.get(key)
        if isinstance(value, (int, float)) and math.isfinite(value) and value >= 0:
            return round(value * 1e6 * times)
    return 0
