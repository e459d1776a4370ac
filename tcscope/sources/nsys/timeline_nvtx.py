"""Every NVTX range of a trace in one pass, some rows at a time: there can be three times as many as launches."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from contextlib import closing
from itertools import count, islice
from typing import Any

import numpy as np
import numpy.typing as npt

from tcscope.sources.nsys import tables as t
from tcscope.sources.nsys.database import Database
from tcscope.sources.nsys.nvtx import name_sql
from tcscope.sources.nsys.range_table import LAYER_DOMAIN, STILL_OPEN, WHOLE_INFERENCE, RangeTable
from tcscope.sources.nsys.rows import Ints, Mask, factorized

_CHUNK = 200_000  # rows read at once
_KEPT = f"eventType in {t.PUSH_POP + t.START_END} and globalTid is not null"
_CROSSES = f"eventType in {t.START_END} and endGlobalTid is not null and endGlobalTid <> globalTid"
_ROW = np.dtype([(name, np.int64) for name in ("start", "end", "thread", "domain", "crosses", "name")])

Names = defaultdict[str, int]
Block = npt.NDArray[Any]  # rows of _ROW


def read_all_ranges(db: Database) -> tuple[RangeTable, Mask]:
    """All ranges, as `RangeReader` reads them, and which of them are TensorRT's layers."""
    names: Names = defaultdict(count().__next__)
    domains = _layer_domains(db)
    parts: list[list[npt.NDArray[Any]]] = [[], [], [], [], [], []]
    start, end, name, owner, crossing, layers = parts
    for block in _blocks(db, names):
        crosses = block["crosses"] != 0
        start.append(block["start"].copy())
        end.append(np.where(block["end"] == t.NO_ID, STILL_OPEN, block["end"]))
        name.append(block["name"].copy())
        owner.append(np.where(crosses, block["thread"] & t.PROCESS_MASK, block["thread"]))
        crossing.append(crosses)
        layers.append(_within(block, domains))
    starts, ends, numbers, owners, is_process, in_domain = map(_joined, parts)
    texts = list(names)
    is_inner = np.array([not text.startswith(WHOLE_INFERENCE) for text in texts], dtype=np.bool_)
    is_layer: Mask = in_domain.astype(np.bool_)
    is_layer = is_layer & is_inner[numbers] if texts else is_layer
    return RangeTable(starts, ends, numbers, owners, is_process.astype(np.bool_), texts), is_layer


def _blocks(db: Database, names: Names) -> Iterator[Block]:
    """The ranges that have a name: a registered string, or a text of their own."""
    if not db.has(t.NVTX, "start", "end", "eventType", "globalTid"):
        return
    text, text_id = db.column(t.NVTX, "text"), db.column(t.NVTX, "textId")
    crosses = _CROSSES if db.has(t.NVTX, "endGlobalTid") else "0"
    columns = (
        f"start, coalesce(end, {t.NO_ID}), globalTid, coalesce({db.column(t.NVTX, 'domainId')}, {t.NO_ID}), {crosses}"
    )
    connection = db.connect()
    connection.text_factory = bytes  # each text is decoded once
    with closing(connection), db.damage_told():
        registered = (
            f"select {columns}, {text_id} from {t.NVTX} where {_KEPT} and {text} is null and {text_id} is not null"
        )
        for block in _chunks(connection.execute(registered)):
            ids, code = factorized(block["name"])
            strings = db.strings(ids.tolist())
            numbers = np.array([_number(strings.get(each, ""), names) for each in ids.tolist()], dtype=np.int64)
            block["name"] = numbers[code]
            yield block[block["name"] >= 0]
        known: defaultdict[bytes, int] = defaultdict(count().__next__)
        spelled = f"select {columns}, {text} from {t.NVTX} where {_KEPT} and {text} is not null"
        rows = ((*row[:-1], known[row[-1]]) for row in connection.execute(spelled))
        numbered = np.empty(0, dtype=np.int64)
        for block in _chunks(rows):
            new = list(islice(known, len(numbered), None))
            numbers = np.array([_number(each.decode("utf-8", "replace"), names) for each in new], dtype=np.int64)
            numbered = np.concatenate([numbered, numbers])
            block["name"] = numbered[block["name"]]
            yield block[block["name"] >= 0]


def _chunks(rows: Iterator[tuple[Any, ...]]) -> Iterator[Block]:
    while True:
        block: Block = np.fromiter(islice(rows, _CHUNK), dtype=_ROW)
        if not len(block):
            return
        yield block


def _number(text: str, names: Names) -> int:
    return names[text] if text else t.NO_ID


def _layer_domains(db: Database) -> list[tuple[int, int]]:
    """Id and globalPid of TensorRT's domains; an id means something inside its process only."""
    if not db.has(t.NVTX, "domainId", "eventType", "globalTid"):
        return []
    made = f"eventType = {t.DOMAIN} and domainId is not null and globalTid is not null and {name_sql(db)} = ?"
    asked = f"select distinct domainId, globalTid & {t.PROCESS_MASK} from {t.NVTX} where {made}"
    return [(int(domain), int(pid)) for domain, pid in db.rows(asked, (LAYER_DOMAIN,))]


def _within(block: Block, domains: list[tuple[int, int]]) -> Mask:
    found: Mask = np.zeros(len(block), dtype=np.bool_)
    for domain, pid in domains:
        found |= (block["domain"] == domain) & ((block["thread"] & t.PROCESS_MASK) == pid)
    return found


def _joined(parts: list[npt.NDArray[Any]]) -> Ints:
    """The parts as one array; they are let go of."""
    whole: Ints = np.concatenate(parts) if parts else np.empty(0, dtype=np.int64)
    parts.clear()
    return whole
