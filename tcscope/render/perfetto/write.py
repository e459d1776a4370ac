"""Write a timeline in Perfetto's trace format, piece by piece."""

from __future__ import annotations

from collections.abc import Callable
from typing import IO

from tcscope.model.timeline import END, Samples, SliceKind, Slices, Timeline, Track
from tcscope.render.perfetto.packets import Frame, Packets, assembled, varint

Progress = Callable[[int], None]  # is told how many slices began or counters were sampled since it was last called


def write(timeline: Timeline, file: IO[bytes], progress: Progress = lambda _: None) -> None:
    """Write it to a file. Raises UsageError where the package perfetto is missing."""
    writer = _Writer(file, Packets())
    for piece in timeline.pieces:
        progress(writer.write(piece))


class _Writer:
    def __init__(self, file: IO[bytes], packets: Packets) -> None:
        self._file = file
        self._packets = packets
        self._events: dict[int, bytes] = {}
        self._frames: dict[tuple[int, int], Frame] = {}  # of this track, by number and width
        self._track = 0
        file.write(packets.begin())

    def write(self, piece: Track | SliceKind | Slices | Samples) -> int:
        """Write a piece; how many slices or samples it held."""
        from tcscope.sources.nsys.rows import factorized

        if isinstance(piece, Track):
            self._file.write(self._packets.track(piece))
            return 0
        if isinstance(piece, SliceKind):
            interned, self._events[piece.id] = self._packets.slice(piece)
            self._file.write(interned)
            return 0
        if piece.track != self._track:
            self._track, self._frames = piece.track, {}
        numbers = piece.kind if isinstance(piece, Slices) else piece.value
        if not len(numbers):
            return 0
        used, which = factorized(numbers)
        width = len(varint(int(piece.ts.max())))
        frames = [self._frame(piece, number, width) for number in used.tolist()]
        self._file.write(assembled(frames, which, piece.ts, width))
        return len(numbers) // 2 if isinstance(piece, Slices) else len(numbers)

    def _frame(self, piece: Slices | Samples, number: int, width: int) -> Frame:
        if (number, width) not in self._frames:
            self._frames[number, width] = self._made(piece, number, width)
        return self._frames[number, width]

    def _made(self, piece: Slices | Samples, number: int, width: int) -> Frame:
        if isinstance(piece, Samples):
            return self._packets.sample(self._track, number, width)
        if number == END:
            return self._packets.end(self._track, width)
        return self._packets.frame(self._track, self._events[number], width)
