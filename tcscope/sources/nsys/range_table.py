"""NVTX ranges as columns, with the names of those that count."""

from __future__ import annotations

from collections import defaultdict
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property
from itertools import count
from operator import itemgetter

import numpy as np

from tcscope.model import RangeLevel
from tcscope.sources.nsys import tables as t
from tcscope.sources.nsys.database import Database
from tcscope.sources.nsys.nvtx import name_sql
from tcscope.sources.nsys.rows import Columns, Ints, Mask, factorized, read_columns

LAYER_DOMAIN = "TensorRT"
WHOLE_INFERENCE = "ExecutionContext::"  # the ranges of that domain around a whole enqueue, which are no layers
_INNER_DOMAINS = (LAYER_DOMAIN, "myelin-exec")  # whose ranges lie inside an inference, never around one
STILL_OPEN = np.iinfo(np.int64).max  # the end of a range that is still open

_COLUMNS = ("start", "end", "globalTid", "endGlobalTid", "eventType")

_PROCESS = f"globalTid & {t.PROCESS_MASK}"

Owner = tuple[int, bool]  # a globalTid, or (True) a globalPid


@dataclass(frozen=True, slots=True)
class RangeTable:
    """Ranges: start and end in ns, the index of the name in `names`, and whom each covers."""

    start: Ints
    end: Ints
    name: Ints
    owner: Ints
    is_process: Mask
    names: list[str]

    def by_owner(self) -> dict[Owner, Ints]:
        """The numbers of the ranges of each thread, or of each process where a range began and ended on two threads."""
        found: dict[Owner, Ints] = {}
        for is_process in (False, True):
            mine = np.flatnonzero(self.is_process == is_process).astype(np.int64)
            owners, code = factorized(self.owner[mine])
            for number, owner in enumerate(owners.tolist()):
                found[owner, is_process] = mine[code == number]
        return found


class RangeReader:
    """Reads an export's ranges; what it learns of domains it keeps."""

    def __init__(self, db: Database) -> None:
        self.db = db

    def of_level(self, level: RangeLevel) -> RangeTable:
        """The ranges of a level: TensorRT's layers, or all of every domain."""
        if level.layers:
            return _read(self.db, self._in_domains(LAYER_DOMAIN), without=WHOLE_INFERENCE)
        return _read(self.db, "1")

    def inferences(self, name: str | None) -> RangeTable:
        """The ranges that can be an inference: those called `name`, or TensorRT's enqueues and what may be around."""
        if name is not None:
            return _read(self.db, _named(self.db, "= ?"), (name, name))
        enqueues = f"({self._in_domains(LAYER_DOMAIN)} and {_named(self.db, 'like ?')})"
        like = (f"{WHOLE_INFERENCE}enqueue%",) * 2
        if not list(self.db.rows(f"select 1 from {t.NVTX} where {enqueues} limit 1", like) if self._domains else ()):
            return _read(self.db, "0")
        return _read(self.db, f"({enqueues} or not {self._in_domains(*_INNER_DOMAINS)})", like)

    def _in_domains(self, *names: str) -> str:
        """SQL that holds for events of these domains; a domain's id means something inside its process only."""
        each = (f"(domainId = {id_} and {_PROCESS} = {pid})" for id_, pid, name in self._domains if name in names)
        return f"({' or '.join(each) or '0'})"

    @cached_property
    def _domains(self) -> list[tuple[int, int, str]]:
        """Id, globalPid and name of each domain."""
        if not self.db.has(t.NVTX, "domainId", "eventType", "globalTid"):
            return []
        made = f"select distinct domainId, {_PROCESS}, {name_sql(self.db)} from {t.NVTX} where eventType = {t.DOMAIN}"
        found = self.db.rows(made)
        return sorted(
            (id_, pid, str(name)) for id_, pid, name in found if isinstance(id_, int) and isinstance(pid, int)
        )


def _named(db: Database, compared: str) -> str:
    """SQL that holds for events whose own text or registered string compares so; it binds the name twice."""
    registered = (
        f"select id from {t.STRINGS} where value {compared}" if db.has(t.STRINGS, "id", "value") else "select ?"
    )
    return f"({db.column(t.NVTX, 'textId')} in ({registered}) or {db.column(t.NVTX, 'text')} {compared})"


def _read(db: Database, where: str, bound: tuple[str, ...] = (), *, without: str | None = None) -> RangeTable:
    """The ranges for which `where` holds, but those whose name begins with `without`.

    Names that are registered strings stay numbers until the end: there can be millions of ranges.
    """
    if not db.has(t.NVTX, "start", "end", "eventType", "globalTid"):
        where = "0"
    is_spelled = f"typeof({db.column(t.NVTX, 'text')}) = 'text'"
    kept = f"eventType in {t.PUSH_POP + t.START_END} and globalTid is not null and {where}"
    named = f"{kept} and ({is_spelled} or {db.column(t.NVTX, 'textId')} is not null)"
    rows = read_columns(db, t.NVTX, (*_COLUMNS, "textId"), named, bound, {"spelled": is_spelled})
    code, texts = _texts(db, f"{kept} and {is_spelled}", bound) if rows["spelled"].any() else (None, [])
    return _table(db, rows, code, texts, without)


def _texts(db: Database, where: str, bound: tuple[str, ...]) -> tuple[Ints, list[str]]:
    """For each event with a text of its own, by row id, the number of the text; and the texts, each decoded once."""
    connection = db.connect()
    connection.text_factory = bytes
    texts: defaultdict[bytes, int] = defaultdict(count().__next__)
    with closing(connection), db.damage_told():
        rows = connection.execute(f"select text from {t.NVTX} not indexed where {where} order by rowid", bound)
        code: Ints = np.fromiter(map(texts.__getitem__, map(itemgetter(0), rows)), dtype=np.int64)
    return code, [text.decode("utf-8", "replace") for text in texts]


def _table(db: Database, rows: Columns, code: Ints | None, texts: list[str], without: str | None) -> RangeTable:
    """The rows with their names, each name once; `code` is the number of the text of those that are spelled."""
    spelled = rows["spelled"] > 0
    ids, id_code = factorized(np.where(spelled, t.NO_ID, rows["textId"]))
    strings = db.strings(ids.tolist())
    registered_names = [strings.get(string, "") for string in ids.tolist()]
    names = list(dict.fromkeys(registered_names + texts))
    position = {name: number for number, name in enumerate(names)}
    name: Ints = np.array([position[name] for name in registered_names], dtype=np.int64)[id_code]
    if code is not None:
        name[spelled] = np.array([position[text] for text in texts], dtype=np.int64)[code]
    drop = [number for number, text in enumerate(names) if not text or (without and text.startswith(without))]
    keep = ~np.isin(name, drop)
    whole = rows.where(keep)
    crosses = np.isin(whole["eventType"], t.START_END) & (whole["endGlobalTid"] != t.NO_ID)
    crosses &= whole["endGlobalTid"] != whole["globalTid"]
    owner = np.where(crosses, whole["globalTid"] & t.PROCESS_MASK, whole["globalTid"])
    end = np.where(whole["end"] == t.NO_ID, STILL_OPEN, whole["end"])
    return RangeTable(whole["start"], end, name[keep], owner, crosses, names)
