"""NVTX ranges as columns, with the names of those that count at a level."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

import numpy as np

from tcscope.model import RangeLevel
from tcscope.sources.nsys import tables as t
from tcscope.sources.nsys.database import Database
from tcscope.sources.nsys.nvtx import name_sql
from tcscope.sources.nsys.rows import Ints

LAYER_DOMAIN = "TensorRT"
_WHOLE_INFERENCE = "ExecutionContext::"  # the ranges of that domain around a whole enqueue, which are no layers
_NEVER = np.iinfo(np.int64).max  # the end of a range that is still open

Owner = tuple[int, bool]  # a globalTid, or (True) a globalPid


@dataclass(frozen=True, slots=True)
class RangeTable:
    """Ranges: start and end in ns, the index of the name in `names`, and whom each covers."""

    start: Ints
    end: Ints
    name: Ints
    owners: tuple[Owner, ...]
    names: list[str]

    def by_owner(self) -> dict[Owner, Ints]:
        """The numbers of the ranges of each thread, or of each process where a range began and ended on two threads."""
        found: dict[Owner, list[int]] = defaultdict(list)
        for number, owner in enumerate(self.owners):
            found[owner].append(number)
        return {owner: np.array(numbers, dtype=np.int64) for owner, numbers in found.items()}


def read_ranges(db: Database, level: RangeLevel) -> RangeTable:
    """The ranges of a level: TensorRT's layers, or all of every domain."""
    start, end, name, owners = [], [], [], []
    names: dict[str, int] = {}
    if db.has(t.NVTX, "start", "end", "eventType", "globalTid"):
        for begun, ended, tid, end_tid, kind, text in db.rows(_sql(db, level)):
            if level.layers and text.startswith(_WHOLE_INFERENCE):
                continue
            start.append(begun)
            end.append(ended)
            name.append(names.setdefault(text, len(names)))
            crosses = kind in t.START_END and end_tid is not None and end_tid != tid
            owners.append((tid & t.PROCESS_MASK if crosses else tid, crosses))
    starts, ends, numbers = (np.array(values, dtype=np.int64) for values in (start, end, name))
    return RangeTable(starts, ends, numbers, tuple(owners), list(names))


def _sql(db: Database, level: RangeLevel) -> str:
    domain = f" and {_in_layer_domain(db)}" if level.layers else ""
    return (
        f'select start, coalesce("end", {_NEVER}), globalTid, {db.column(t.NVTX, "endGlobalTid")}, eventType,'
        f" {name_sql(db)} as name from {t.NVTX}"
        f" where eventType in {t.PUSH_POP + t.START_END} and globalTid is not null and name is not null{domain}"
    )


def _in_layer_domain(db: Database) -> str:
    """SQL that holds for TensorRT's ranges; a domain id means something inside its process only."""
    if not db.has(t.NVTX, "domainId"):
        return "0"
    made = f"select domainId, globalTid & {t.PROCESS_MASK} from {t.NVTX} where eventType = {t.DOMAIN}"
    return f"(domainId, globalTid & {t.PROCESS_MASK}) in ({made} and {name_sql(db)} = '{LAYER_DOMAIN}')"
