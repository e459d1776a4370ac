"""What a timeline is made of: tracks, kinds of slices, and the events on each track in chunks of columns.

A timeline is a stream: every Track and SliceKind comes before the first chunk that names it, so that it can be written
while it is read. Times are ns of the trace.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from tcscope.model.layers import Layer
from tcscope.model.verdict import Verdict
from tcscope.model.words import Word

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Ints: TypeAlias = npt.NDArray[np.int64]

END = -1  # in `Slices.kind`: the slice that began last on the track ends


class Row(Word):
    """What a track stands for. `gpu` and `process` hold others and no events of their own."""

    GPU = "gpu"
    STREAM = "stream"
    COUNTER = "counter"
    PROCESS = "process"
    THREAD = "thread"


class What(Word):
    """What a slice shows."""

    KERNEL = "kernel"
    MEMCPY = "memcpy"
    MEMSET = "memset"
    GRAPH = "graph"
    LAYER = "layer"
    RANGE = "range"


@dataclass(frozen=True, slots=True)
class Track:
    """A row of the timeline, inside the row `parent`, in the order of `rank`.

    `process` and `thread` are ids of the operating system, 0 where there is none; `unit` is that of a counter.
    """

    id: int
    row: Row
    name: str
    parent: int | None = None
    rank: int = 0
    process: int = 0
    thread: int = 0
    unit: str = ""


@dataclass(frozen=True, slots=True)
class SliceKind:
    """All of a slice but its time. `verdict` is a kernel's, `cue` the part of its name that tells most of it.

    `facts` are further words and numbers by name (grid, block, bytes); `layer` is what TensorRT's layer file says.
    """

    id: int
    what: What
    name: str
    verdict: Verdict | None = None
    cue: str = ""
    facts: tuple[tuple[str, str | int], ...] = ()
    layer: Layer | None = None


@dataclass(frozen=True, slots=True)
class Slices:
    """Slices that begin (`kind` is a SliceKind's id) and end (END) on one track, nested and in order of time."""

    track: int
    ts: Ints
    kind: Ints


@dataclass(frozen=True, slots=True)
class Samples:
    """Values of a counter; each holds until the next."""

    track: int
    ts: Ints
    value: Ints


Piece: TypeAlias = "Track | SliceKind | Slices | Samples"


@dataclass(frozen=True, slots=True)
class Timeline:
    """A timeline to be written; `negative` of its launches end before they start, and take 0 ns.

    `pieces` can be taken once.
    """

    pieces: Iterator[Piece]
    launches: int
    negative: int = 0
