"""A trace as a timeline: its streams with the layers and ranges that launched, its threads' ranges, its counters."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from tcscope.analysis.judge import Judge
from tcscope.analysis.timeline_kinds import Kinds
from tcscope.analysis.timeline_lanes import lanes, nested_events, row_events
from tcscope.model import Device, Layer, Selection
from tcscope.model.timeline import END, Piece, Row, Samples, Slices, Timeline, Track

if TYPE_CHECKING:
    from tcscope.model.timeline import Ints
    from tcscope.rulebook import RuleBook
    from tcscope.sources import NsysTrace
    from tcscope.sources.nsys.rows import Mask
    from tcscope.sources.nsys.timeline import Work
    from tcscope.sources.nsys.timeline_ranges import RangeTree

_THREAD = (1 << 24) - 1  # the thread in a globalTid

Stream = tuple[int, int, int, int]  # device, globalPid, context, stream


def timeline(trace: NsysTrace, book: RuleBook, selection: Selection, engine: Sequence[Layer] = ()) -> Timeline:
    """The timeline of the selected launches; `engine` is what TensorRT's layer file says of the layers.

    Of a part of a trace it shows the ranges that launched something of it, and the counters meanwhile. Raises
    TraceError as `summarize` does.
    """
    import numpy as np

    from tcscope.sources.nsys.tables import KERNEL
    from tcscope.sources.nsys.timeline import read_work

    work = read_work(trace, selection)
    rows = np.bincount(work.shape, minlength=len(work.shapes)).tolist()
    devices = sorted({shape.device for shape, count in zip(work.shapes, rows, strict=True) if count})
    judge = Judge(book, map(trace.devices.device, devices), trace.mangled_names() if book.needs_mangled else {})
    names = trace.db.kernel_names({shape.attributes[0] for shape in work.shapes if shape.table == KERNEL})
    composer = _Composer(trace, work, Kinds(judge, book, names, engine), selection)
    return Timeline(
        composer.pieces([trace.devices.device(index) for index in devices]),
        launches=sum(count for shape, count in zip(work.shapes, rows, strict=True) if shape.table == KERNEL),
        negative=work.negative,
    )


class _Composer:
    """Puts one timeline together."""

    def __init__(self, trace: NsysTrace, work: Work, kinds: Kinds, selection: Selection) -> None:
        self._trace = trace
        self._work = work
        self._kinds = kinds
        self._is_whole = selection == Selection()
        self._tracks = 0

    def pieces(self, devices: Sequence[Device]) -> Iterator[Piece]:
        """All pieces, the GPUs first."""
        from tcscope.sources.nsys.timeline_ranges import read_ranges

        tree, leaf = read_ranges(self._trace.db, self._work.activity())
        for rank, device in enumerate(devices):
            gpu = self._track(Row.GPU, f"GPU {device.index} {device.name}".strip(), rank=rank)
            yield gpu
            yield from self._counters(gpu, device.index)
            yield from self._streams(gpu, device.index, tree, leaf)
        yield from self._threads(tree, None if self._is_whole else tree.with_parents(leaf), len(devices))

    def _streams(self, gpu: Track, device: int, tree: RangeTree, leaf: Ints) -> Iterator[Piece]:
        """The streams of one GPU."""
        import numpy as np

        work = self._work
        streams: dict[Stream, int] = {}
        of_shape = [
            streams.setdefault((s.device, s.global_pid, s.context, s.stream), len(streams)) for s in work.shapes
        ]
        kind_of = np.array(
            [self._kinds.of_shape(s) if s.device == device else END for s in work.shapes], dtype=np.int64
        )
        stream_of_row = np.array(of_shape, dtype=np.int64)[work.shape]
        mine = sorted((stream for stream in streams if stream[0] == device), key=lambda stream: (stream[1:], stream))
        names = _stream_names(mine)
        for rank, stream in enumerate(mine):
            rows = np.flatnonzero(stream_of_row == streams[stream])
            if not len(rows):
                continue
            rows = rows[np.lexsort((work.end[rows], work.start[rows]))]
            lane_of = lanes(work.start[rows], work.end[rows])
            for lane in range(int(lane_of.max()) + 1):
                track = self._track(Row.STREAM, _numbered(names[stream], lane), gpu, rank=1000 + rank)
                yield track
                at = rows[lane_of == lane]
                yield from self._rows(track, at, kind_of[work.shape[at]], tree, leaf[at])

    def _rows(self, track: Track, at: Ints, kind: Ints, tree: RangeTree, leaf: Ints) -> Iterator[Piece]:
        levels = tree.levels(leaf)
        kind_of_range = self._kinds_of_ranges(tree, tree.with_parents(leaf), projected=True)
        for ts, kinds in row_events(self._work.start[at], self._work.end[at], kind, levels, kind_of_range):
            yield from self._kinds.fresh()
            yield Slices(track.id, ts, kinds)

    def _kinds_of_ranges(self, tree: RangeTree, shown: Mask, *, projected: bool) -> Ints:
        """The kind of each range that is shown, END for others."""
        import numpy as np

        from tcscope.sources.nsys.rows import factorized

        table, found = tree.table, np.full(len(tree.parent), END, dtype=np.int64)
        at = np.flatnonzero(shown)
        code: Ints = table.name[at] * 4 + tree.is_layer[at].astype(np.int64) * 2
        code += tree.is_open[at] & (not projected)
        used, which = factorized(code)
        kinds = [
            self._kinds.of_range(
                table.names[number >> 2],
                is_layer=bool(number & 2),
                projected=projected,
                still_open=bool(number & 1),
            )
            for number in used.tolist()
        ]
        found[at] = np.array(kinds, dtype=np.int64)[which] if kinds else END
        return found

    def _threads(self, tree: RangeTree, shown: Mask | None, rank: int) -> Iterator[Piece]:
        """The ranges of each thread, and of each process what began and ended on two of its threads."""
        import numpy as np

        from tcscope.sources.nsys.tables import pid_of
        from tcscope.sources.nsys.timeline_ranges import taken

        table = tree.table
        shown = np.ones(len(tree.parent), dtype=np.bool_) if shown is None else shown
        end = table.end
        if tree.is_open.any() or np.any(end < table.start):
            latest = max(int(self._work.end.max()), int(np.where(tree.is_open, table.start, end).max()))
            end = np.clip(end, table.start, latest)
        columns = table.start, end, tree.depth
        kind_of = self._kinds_of_ranges(tree, shown, projected=False)
        processes: dict[int, Track] = {}
        for (owner, is_process), every in sorted(table.by_owner().items()):
            at = every[shown[every]]
            if not len(at):
                continue
            pid = pid_of(owner)
            if pid not in processes:
                processes[pid] = self._track(Row.PROCESS, f"process {pid}", rank=rank + len(processes), process=pid)
                yield processes[pid]
            thread = 0 if is_process else owner & _THREAD
            name = f"thread {thread}" if thread else "ranges across threads"
            tracks: list[Track] = []
            for lane, ts, number in nested_events(*(taken(column, at) for column in columns)):
                if lane == len(tracks):
                    own = 0 if lane else thread
                    tracks.append(
                        self._track(Row.THREAD, _numbered(name, lane), processes[pid], process=pid, thread=own)
                    )
                    yield tracks[lane]
                    yield from self._kinds.fresh()
                yield Slices(tracks[lane].id, ts, np.where(number >= 0, kind_of[at[np.maximum(number, 0)]], END))

    def _counters(self, gpu: Track, device: int) -> Iterator[Piece]:
        """The sampled counters of one GPU; of a part of a trace the samples from its first to its last row."""
        import numpy as np

        from tcscope.sources.nsys.timeline_samples import read_counters, read_samples

        first, last = int(self._work.start.min()), int(self._work.end.max())
        for rank, counter in enumerate(c for c in read_counters(self._trace.db) if c.device == device):
            track = self._track(Row.COUNTER, counter.name, gpu, rank=rank, unit=counter.unit)
            yield track
            for ts, value in read_samples(self._trace.db, counter):
                if not self._is_whole:
                    inside = slice(*np.searchsorted(ts, (first, last + 1)))
                    ts, value = ts[inside], value[inside]
                yield Samples(track.id, ts, value)

    def _track(
        self,
        row: Row,
        name: str,
        parent: Track | None = None,
        *,
        rank: int = 0,
        process: int = 0,
        thread: int = 0,
        unit: str = "",
    ) -> Track:
        self._tracks += 1
        return Track(self._tracks, row, name, parent.id if parent else None, rank, process, thread, unit)


def _stream_names(streams: Sequence[Stream]) -> dict[Stream, str]:
    """`stream 7`, and of what else it is where that alone would name two."""
    from tcscope.sources.nsys.tables import pid_of

    several_processes = len({stream[1] for stream in streams}) > 1
    same = Counter((stream[1], stream[3]) for stream in streams)
    names = {}
    for stream in streams:
        _, global_pid, context, number = stream
        name = f"stream {number}" if number >= 0 else "stream unknown"
        name += f", context {context}" if same[global_pid, number] > 1 else ""
        names[stream] = name + (f", process {pid_of(global_pid)}" if several_processes else "")
    return names


def _numbered(name: str, lane: int) -> str:
    """The name of a lane: what overlaps is on `stream 7 (2)`."""
    return f"{name} ({lane + 1})" if lane else name
