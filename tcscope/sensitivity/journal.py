"""What was measured so far, kept as it comes: a run that was stopped goes on where it was."""

from __future__ import annotations

import io
import json
import re
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np

from tcscope.errors import UsageError
from tcscope.sensitivity.machine import Values
from tcscope.sensitivity.sums import OutputSums, Sums

JOURNAL_SCHEMA = "tcscope.sensitivity-journal/1"
_OURS = re.compile(r"[0-9a-f]{16}-\d+\.npz")


@dataclass
class Measured:
    """A unit on one batch, or on several: the outputs' sums, and the noise that reached each later layer."""

    sums: Sums = field(default_factory=Sums)
    reached: dict[str, float] = field(default_factory=dict)

    def add(self, other: Measured) -> None:
        """Take another batch in."""
        self.sums.add(other.sums)
        for name, noise in other.reached.items():
            self.reached[name] = self.reached.get(name, 0.0) + noise


class Journal:
    """The lines of FILE.part.jsonl, each a unit on a batch; the first says by its key what they belong to.

    Outputs that the user's metric needs are kept beside it, in the folder FILE.part. Without a file all is kept in
    memory. Each line ends with its own checksum and has that of the outputs: what is damaged is measured again. Raises
    UsageError where the file can't be written or is another's.
    """

    def __init__(self, output: Path | None, key: str) -> None:
        self.found: dict[tuple[str, int], Measured] = {}
        self._outputs: dict[tuple[str, int], Values] = {}
        self._sums: dict[tuple[str, int], int] = {}  # the checksums of their files
        self._stream = None
        self.path = self.folder = None
        if output is None:
            return
        self.path = output.with_name(f"{output.name}.part.jsonl")
        self.folder = output.with_name(f"{output.name}.part")
        head = {"schema": JOURNAL_SCHEMA, "key": key}
        lines = self._read()
        goes_on = bool(lines) and lines[0] == head
        if lines and lines[0].get("schema") != JOURNAL_SCHEMA:
            raise UsageError(f"{self.path} is no journal of tcscope", "give -o another name")
        if goes_on:
            self._take(lines[1:])
        try:
            whole = [json.dumps(head), *(self._line(*key) for key in self.found)]
            self.path.write_text("".join(line + "\n" for line in whole), encoding="utf-8")
            self._stream = self.path.open("a", encoding="utf-8")
            if not goes_on:
                self._clear()
        except OSError as error:
            raise UsageError(
                f"can't write {self.path}: {error.strerror}", "give -o a file in a folder that exists"
            ) from error

    def has(self, unit: str, batch: int, *, outputs: bool) -> bool:
        """Whether a unit was measured on a batch, with its outputs if they are needed."""
        return (unit, batch) in self.found and (not outputs or self._holds(unit, batch))

    def keep(self, unit: str, batch: int, measured: Measured, outputs: Values | None) -> None:
        """Take down what was measured. Raises UsageError where it can't be written."""
        self.found[unit, batch] = measured
        try:
            if outputs is not None:
                self._keep_outputs(unit, batch, outputs)
            if self._stream is not None:
                self._stream.write(self._line(unit, batch) + "\n")
                self._stream.flush()
        except OSError as error:
            raise UsageError(
                f"can't write beside {self.path}: {error.strerror}", "make room there, and run the same again"
            ) from error

    def _keep_outputs(self, unit: str, batch: int, outputs: Values) -> None:
        if self.folder is None:
            self._outputs[unit, batch] = outputs
            return
        self.folder.mkdir(exist_ok=True)
        packed = io.BytesIO()
        np.savez(packed, *outputs.values())  # without their names, which may hold '/'
        self._file(unit, batch).write_bytes(packed.getbuffer())
        self._sums[unit, batch] = crc32(packed.getbuffer())

    def outputs(self, unit: str, batch: int, names: list[str]) -> Values:
        """The outputs of a unit on a batch."""
        if self.folder is None:
            return self._outputs[unit, batch]
        with np.load(self._file(unit, batch)) as held:
            return {name: held[f"arr_{at}"] for at, name in enumerate(names)}

    def close(self, *, done: bool) -> None:
        """Stop writing; once all is done nothing is left of it."""
        if self._stream is not None:
            self._stream.close()
        if done and self.path is not None:
            self._clear()
            self.path.unlink(missing_ok=True)

    def _take(self, lines: list[dict[str, Any]]) -> None:
        """Take in the lines that are as they were written."""
        for line in lines:
            told = line.pop("check", None)
            if told == crc32(json.dumps(line).encode()):
                key = line["unit"], line["batch"]
                self.found[key] = _measured(line)
                if line["outputs"] is not None:
                    self._sums[key] = line["outputs"]

    def _line(self, unit: str, batch: int) -> str:
        """What is known of a unit on a batch, with a checksum."""
        line = {"unit": unit, "batch": batch, "outputs": self._sums.get((unit, batch))}
        line |= asdict(self.found[unit, batch])
        return json.dumps({**line, "check": crc32(json.dumps(line).encode())})

    def _holds(self, unit: str, batch: int) -> bool:
        """Whether the outputs are there, as they were written."""
        if self.folder is None:
            return (unit, batch) in self._outputs
        try:
            return crc32(self._file(unit, batch).read_bytes()) == self._sums.get((unit, batch))
        except OSError:
            return False

    def _file(self, unit: str, batch: int) -> Path:
        import hashlib

        name = hashlib.sha256(unit.encode()).hexdigest()[:16]
        return (self.folder or Path()) / f"{name}-{batch}.npz"

    def _clear(self) -> None:
        """Remove what lies in the folder under names of ours, and the folder when it is empty."""
        if self.folder is None or not self.folder.is_dir():
            return
        for file in self.folder.iterdir():
            if _OURS.fullmatch(file.name):
                file.unlink()
        if not any(self.folder.iterdir()):
            self.folder.rmdir()

    def _read(self) -> list[dict[str, Any]]:
        """The whole lines; the last one may have been cut off."""
        if self.path is None or not self.path.exists():
            return []
        found = []
        try:
            lines = self.path.read_bytes().splitlines()
        except OSError as error:
            raise UsageError(f"can't read {self.path}: {error.strerror}", "give -o another name") from error
        for line in lines:
            try:
                found.append(json.loads(line))
            except (ValueError, RecursionError):
                return found or [{}]
        return [line if isinstance(line, dict) else {} for line in found]


def _measured(line: dict[str, Any]) -> Measured:
    outputs = {name: OutputSums(**sums) for name, sums in line["sums"].pop("outputs").items()}
    return Measured(Sums(outputs, **line["sums"]), line["reached"])
