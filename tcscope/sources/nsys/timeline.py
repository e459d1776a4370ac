"""What a timeline shows, row by row: kernels, copies, sets and graph launches, and what rows have in common.

Rows are read in chunks, and of each only its times, its correlation id and the number of its `Shape` are kept: a trace
has millions of launches of some hundred shapes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from tcscope.model import Selection
from tcscope.sources.nsys import tables as t
from tcscope.sources.nsys.absence import nothing_selected
from tcscope.sources.nsys.activity import read_graphs
from tcscope.sources.nsys.database import Database
from tcscope.sources.nsys.ranges import LaunchFilter, range_filter
from tcscope.sources.nsys.rows import Columns, Ints, Mask, combinations

if TYPE_CHECKING:
    from tcscope.sources.nsys.trace import NsysTrace

Int32s = npt.NDArray[np.int32]

CHUNK = 200_000  # rows read at once
_PLACE = ("deviceId", "globalPid", "contextId", "streamId")
_TIMES = ("start", "end", "correlationId")
_ATTRIBUTES = {
    t.KERNEL: ("demangledName", "gridX", "gridY", "gridZ", "blockX", "blockY", "blockZ"),
    t.MEMCPY: ("copyKind", "bytes"),
    t.MEMSET: ("bytes",),
    t.GRAPH: ("graphId",),
}


@dataclass(frozen=True, slots=True)
class Shape:
    """What rows have in common: their table, where they ran (the GPU's index), and the table's own attributes."""

    table: str
    device: int
    global_pid: int
    context: int
    stream: int
    attributes: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Work:
    """Rows of all activity tables; `end` is never before `start`, `negative` kernels had it so."""

    shapes: list[Shape]
    shape: Int32s
    start: Ints
    end: Ints
    correlation: Ints
    negative: int

    def __len__(self) -> int:
        return len(self.start)

    def activity(self) -> Columns:
        """The columns by which a row's launch call is found."""
        pids = np.array([shape.global_pid for shape in self.shapes], dtype=np.int64)
        return Columns({"globalPid": pids[self.shape], "correlationId": self.correlation})


def read_work(trace: NsysTrace, selection: Selection) -> Work:
    """The selected rows, as `NsysTrace.select` selects them. Raises TraceError where no kernel is among them."""
    trace.demand_kernels()
    launched = range_filter(trace.db, selection) if selection.range is not None else None
    reader = _Reader(trace, launched)
    kernels = reader.read(t.KERNEL)
    if launched is None and selection.skip:
        kernels = _without_first(kernels, selection.skip)
    parts = [kernels, *(reader.read(table) for table in (t.MEMCPY, t.MEMSET, t.GRAPH))]
    taken = np.array([selection.takes(shape.device) for shape in reader.shapes], dtype=np.bool_)
    parts = [part.where(taken[part["shape"]]) for part in parts]
    if not len(parts[0]):
        graphs = tuple(g for g in read_graphs(trace.db, trace.devices, launched) if selection.takes(g.device))
        seen = {reader.shapes[at].device for at in np.unique(kernels["shape"]).tolist()}
        raise nothing_selected(trace.path, selection, seen, graphs, launched)
    negative = int((parts[0]["end"] < parts[0]["start"]).sum())
    whole = {name: np.concatenate([part[name] for part in parts]) for name in ("shape", *_TIMES)}
    end = np.maximum(whole["end"], whole["start"])
    return Work(reader.shapes, whole["shape"].astype(np.int32), whole["start"], end, whole["correlationId"], negative)


class _Reader:
    """Reads tables and numbers their shapes."""

    def __init__(self, trace: NsysTrace, launched: LaunchFilter | None) -> None:
        self._trace = trace
        self._launched = launched
        self.shapes: list[Shape] = []
        self._numbers: dict[Shape, int] = {}

    def read(self, table: str) -> Columns:
        """The selected rows of a table: `shape` and its times."""
        parts = [self._numbered(table, chunk) for chunk in _chunks(self._trace.db, table, self._columns(table))]
        return Columns(
            {name: np.concatenate([_no_rows(), *(part[name] for part in parts)]) for name in ("shape", *_TIMES)}
        )

    def _columns(self, table: str) -> tuple[str, ...]:
        return (*_TIMES, *_PLACE, *_ATTRIBUTES[table])

    def _numbered(self, table: str, chunk: Columns) -> Columns:
        if self._launched is not None:
            chunk = chunk.where(self._launched.mask(chunk))
        keys, code = combinations(chunk, (*_PLACE, *_ATTRIBUTES[table]))
        numbers = np.array([self._number(table, key) for key in keys], dtype=np.int64)
        shape = numbers[code] if len(keys) else code
        return Columns({"shape": shape, **{name: chunk[name] for name in _TIMES}})

    def _number(self, table: str, key: tuple[int, ...]) -> int:
        ordinal, global_pid, context, stream, *attributes = key
        device, _ = self._trace.devices.place(ordinal, global_pid)
        shape = Shape(table, device, global_pid, context, stream, tuple(attributes))
        if shape not in self._numbers:
            self._numbers[shape] = len(self.shapes)
            self.shapes.append(shape)
        return self._numbers[shape]


def _chunks(db: Database, table: str, names: tuple[str, ...]) -> Iterator[Columns]:
    """The rows of a table, some at a time; an absent column or a NULL reads as NO_ID."""
    if not db.has(table, "deviceId", "start", "end"):
        return
    select = ", ".join(f"coalesce({db.column(table, name)}, {t.NO_ID})" for name in names)
    dtype = np.dtype([(name, np.int64) for name in names])
    with db.damage_told():
        rows = db.connection.execute(f"select {select} from {table}")
        while True:
            block: npt.NDArray[Any] = np.fromiter(islice(rows, CHUNK), dtype=dtype)
            if not len(block):
                return
            yield Columns({name: np.ascontiguousarray(block[name]) for name in names})


def _without_first(rows: Columns, count: int) -> Columns:
    """The rows but the first `count` by start, in their order."""
    keep: Mask = np.ones(len(rows), dtype=np.bool_)
    keep[np.argsort(rows["start"], kind="stable")[:count]] = False
    return rows.where(keep)


def _no_rows() -> Ints:
    return np.empty(0, dtype=np.int64)
