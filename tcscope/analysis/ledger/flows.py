"""The ledger summed: how much time goes which way, and why."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from tcscope.model import Reason, Reformat


@dataclass(frozen=True, slots=True)
class Flow:
    """Reformats of one direction and reason, longest first. `inside`: tactics of other layers do them."""

    reason: Reason
    direction: str
    inside: bool
    rows: tuple[Reformat, ...]
    launches: int
    ns: int


def flows(reformats: Iterable[Reformat]) -> tuple[Flow, ...]:
    """The rows of a ledger by direction and reason, most time first."""
    parts: dict[tuple[Reason, str, bool], list[Reformat]] = defaultdict(list)
    for row in sorted(reformats, key=lambda row: -row.ns):
        parts[row.reason, row.direction, row.layer in row.feeds].append(row)
    found = [
        Flow(*key, tuple(rows), sum(row.launches for row in rows), sum(row.ns for row in rows))
        for key, rows in parts.items()
    ]
    return tuple(sorted(found, key=lambda flow: (-flow.ns, flow.reason, flow.direction)))
