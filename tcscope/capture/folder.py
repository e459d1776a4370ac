"""The folder that keeps what a capture made: checked before anything runs, so that nothing is lost or overwritten."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from tcscope.errors import UsageError

_ODD = re.compile(r"[^\w.+-]+")


@dataclass(frozen=True)
class Folder:
    """Where each file goes; `name` begins the names of those that other tools open."""

    path: Path
    name: str

    @property
    def output(self) -> Path:
        """What nsys is told with `-o`: it adds the suffix."""
        return self.path / self.name

    @property
    def recording(self) -> Path:
        """What nsys writes when all goes well."""
        return self._file(".nsys-rep")

    @property
    def raw(self) -> Path:
        """What nsys leaves when it can't convert it."""
        return self._file(".qdstrm")

    @property
    def sqlite(self) -> Path:
        """The export."""
        return self._file(".sqlite")

    @property
    def layers(self) -> Path:
        """The engine's layers, as trtexec --exportLayerInfo."""
        return self._file(".layers.json")

    @property
    def profile(self) -> Path:
        """The times of the engine's layers, as trtexec --exportProfile."""
        return self._file(".profile.json")

    @property
    def plan(self) -> Path:
        """The engine, where it is built."""
        return self._file(".plan")

    @property
    def calibration(self) -> Path:
        """What its calibration found: a cache as trtexec --calib takes it."""
        return self._file(".calib.cache")

    @property
    def counters(self) -> Path:
        """What ncu counted."""
        return self.path / "counters.csv"

    @property
    def report(self) -> Path:
        """The analysis."""
        return self.path / "report.json"

    @property
    def log(self) -> Path:
        """The commands, and all that they printed."""
        return self.path / "log.txt"

    @property
    def files(self) -> tuple[Path, ...]:
        """All of them."""
        old = self._file(".qdrep")
        recorded = (self.recording, old, self.raw, self.sqlite, self.report, self.counters)
        return (*recorded, self.layers, self.profile, self.log, self.plan, self.calibration)

    def _file(self, suffix: str) -> Path:
        return self.path / f"{self.name}{suffix}"

    def check(self, *, force: bool) -> None:
        """Raise UsageError where the folder can't be written, or where something is in it already."""
        if self.path.exists():
            if not self.path.is_dir():
                raise UsageError(f"{self.path} is a file, and should be a folder", "-o FOLDER")
            taken = next((file for file in self.files if file.is_dir()), None)
            if taken is not None:
                raise UsageError(f"{taken} is a folder, and should become a file", "-o ANOTHER")
            if not force and any(self.path.iterdir()):
                raise UsageError(
                    f"{self.path} exists and is not empty", "-o ANOTHER, or --force to write over an earlier capture"
                )
        nearest = next(p for p in (self.path, *self.path.parents, *self.path.absolute().parents) if p.exists())
        if not nearest.is_dir():
            raise UsageError(f"{nearest} is a file, so that {self.path} can't be made", "-o FOLDER")
        if not os.access(nearest, os.W_OK | os.X_OK):
            raise UsageError(f"no permission to write in {nearest}", "-o FOLDER, one that you may write")

    def make(self) -> None:
        """Make the folder, with a new log and without layers of another engine. Raises UsageError."""
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            self.log.write_text("", encoding="utf-8")
            self.layers.unlink(missing_ok=True)
            self.profile.unlink(missing_ok=True)
        except OSError as error:
            raise UsageError(
                f"can't write in {self.path}: {error.strerror}", "-o FOLDER, one that you may write"
            ) from error

    def clear(self) -> None:
        """Make room for a new recording: until now, an earlier one was not touched."""
        for file in self.files:
            if file not in (self.log, self.layers, self.profile, self.plan, self.calibration):
                file.unlink(missing_ok=True)


def folder_for(chosen: Path | None, target: str) -> Folder:
    """The folder that was asked for, else `tcscope-NAME` here; NAME is the target's without odd letters."""
    name = _ODD.sub("_", target).strip("._-") or "capture"
    return Folder(chosen if chosen is not None else Path(f"tcscope-{name}"), name)
