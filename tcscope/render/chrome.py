"""Write a timeline as JSON for chrome://tracing, which Perfetto's UI and Firefox's profiler read too.

Format: https://docs.google.com/document/d/1CvAClvFfyA5R-PhYUmn5OOQtYMH4h6I0nSsKchNAySU; its times are microseconds,
here with three decimals, so that no nanosecond is lost.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import IO

from tcscope.model.timeline import END, Row, Samples, SliceKind, Slices, Timeline, Track
from tcscope.render.perfetto.words import arguments, category, colour_word, cut_off, label

# Names of colours that the viewer knows (catapult's color_scheme.html): dark on Tensor Cores, pale on CUDA cores
_TENSOR = {
    "int8": "good",
    "int4": "good",
    "int1": "good",
    "fp16": "rail_idle",
    "bf16": "rail_idle",
    "fp8": "rail_response",
    "fp6": "rail_response",
    "fp4": "rail_response",
    "tf32": "detailed_memory_dump",
    "fp64": "rail_animation",
}
_CUDA = {
    "int8": "cq_build_passed",
    "int4": "cq_build_passed",
    "fp16": "cq_build_running",
    "bf16": "cq_build_running",
    "fp8": "thread_state_runnable",
    "fp32": "cq_build_failed",
    "fp64": "thread_state_uninterruptible",
}
_OTHER = {"layer": "cq_build_abandoned", "range": "grey", "memcpy": "background_memory_dump", "memset": "olive"}
_GPU_IDS = 1 << 30  # beyond any process id, for the groups that are no process

Progress = Callable[[int], None]


def write(timeline: Timeline, file: IO[bytes], progress: Progress = lambda _: None) -> None:
    """Write it to a file, an event a line."""
    writer = _Writer(file)
    for piece in timeline.pieces:
        progress(writer.write(piece))
    file.write(b"\n]}\n")


def colour(word: str) -> str:
    """The viewer's name for the colour of `tensor_core int8`, `layer`."""
    unit, _, precision = word.rpartition(" ")
    if not unit:
        return _OTHER.get(precision, "generic_work")
    table = {"tensor_core": _TENSOR, "cuda_core": _CUDA}.get(unit, {})
    return table.get(precision, "generic_work" if unit == "tensor_core" else "grey")


class _Writer:
    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._separator = "\n"
        self._places: dict[int, tuple[int, int, str]] = {}  # process, thread and name of each track
        self._kinds: dict[int, str] = {}
        file.write(b'{"displayTimeUnit":"ns","traceEvents":[')

    def write(self, piece: Track | SliceKind | Slices | Samples) -> int:
        """Write a piece; how many slices or samples it held."""
        if isinstance(piece, Track):
            self._describe(piece)
            return 0
        if isinstance(piece, SliceKind):
            self._kinds[piece.id] = _fields(
                name=label(piece), cat=category(piece), cname=colour(colour_word(piece)), args=arguments(piece)
            )
            return 0
        process, thread, name = self._places[piece.track]
        place = f'"pid":{process},"tid":{thread},"ts":'
        if isinstance(piece, Slices):
            numbers = piece.kind.tolist()
            ends = f'{{"ph":"E",{place}'
            begins = f'{{"ph":"B",{place}'
            behind = {kind: "," + self._kinds[kind] for kind in set(numbers) if kind != END} | {END: ""}
            lines = [
                f"{ends if kind == END else begins}{ns // 1000}.{ns % 1000:03}{behind[kind]}}}"
                for ns, kind in zip(piece.ts.tolist(), numbers, strict=True)
            ]
            self._lines(lines)
            return len(lines) // 2
        head = f'{{"ph":"C",{_fields(name=name)},{place}'
        samples = zip(piece.ts.tolist(), piece.value.tolist(), strict=True)
        lines = [f'{head}{ns // 1000}.{ns % 1000:03},"args":{{"value":{value}}}}}' for ns, value in samples]
        self._lines(lines)
        return len(lines)

    def _describe(self, track: Track) -> None:
        what, name = "process", cut_off(track.name)
        if track.parent is None:
            process, thread = track.process or _GPU_IDS + track.id, 0
        else:
            what, process, thread = "thread", self._places[track.parent][0], track.thread or _GPU_IDS + track.id
        self._places[track.id] = process, thread, name
        if track.row is not Row.COUNTER:
            place = f'"pid":{process},"tid":{thread}'
            self._lines(
                [
                    f'{{"ph":"M",{place},{_fields(name=f"{what}_name", args={"name": name})}}}',
                    f'{{"ph":"M",{place},{_fields(name=f"{what}_sort_index", args={"sort_index": track.rank})}}}',
                ]
            )

    def _lines(self, lines: Sequence[str]) -> None:
        if lines:
            self._file.write((self._separator + ",\n".join(lines)).encode())
            self._separator = ",\n"


def _fields(**fields: object) -> str:
    """Fields of an object without its braces. All beyond ASCII is escaped: no viewer guesses an encoding."""
    return json.dumps(fields, separators=(",", ":"))[1:-1]
