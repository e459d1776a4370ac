"""Every file that tcscope reads. `open_source` tells by its content what a file is."""

from __future__ import annotations

import re
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tcscope.errors import TraceError, UsageError
from tcscope.model import Report
from tcscope.sources.nsys import NsysTrace

if TYPE_CHECKING:
    from tcscope.sources.trtexec import EnginePair

__all__ = ["NsysTrace", "open_source", "open_trace"]

_SQLITE = b"SQLite format 3\x00"
_EXPECTED = (
    "a trace is a .sqlite made by `nsys export --type sqlite`, a .nsys-rep, a saved report.json,"
    " or layers.json of trtexec"
)
_TRTEXEC = re.compile(r'"(?:Layers|LayerInfo|LayerType|count|timeMs|computeMs)"\s*:')


def open_source(path: str | Path, sm: int | None = None) -> NsysTrace | Report | EnginePair:
    """The trace, the saved report or the trtexec pair in a file; `LAYERS.json:PROFILE.json` names both of a pair.

    `sm` is the compute capability of GPUs of which a trace doesn't know it. Raises UsageError where there is no such
    file, TraceError where it is nothing that tcscope reads.
    """
    both = _two_files(str(path))
    if both is not None:
        from tcscope.sources.trtexec import open_pair

        return open_pair(both[0], profile=both[1], sm=sm)
    path = Path(path)
    head = _head(path)
    if head.startswith(_SQLITE):
        return NsysTrace(path, sm)
    if path.suffix == ".nsys-rep":
        from tcscope.sources.nsys_rep import exported

        return exported(path, sm)
    from tcscope.sources.trtexec.repair import begins_as_json

    if begins_as_json(head):
        return _json_source(path, head, sm)
    if path.suffix in (".qdrep", ".qdstrm"):
        raise TraceError(
            f"{path} is a raw recording of nsys",
            f"nsys export --type sqlite -o {path.with_suffix('.sqlite')} {path}  # with the nsys that made it",
        )
    what = "is empty" if not head else "is no SQLite file, no nsys report and no saved report"
    raise TraceError(f"{path} {what}", _EXPECTED)


def open_trace(path: str | Path, sm: int | None = None) -> NsysTrace:
    """The trace in a file; a saved report or a trtexec file, which have no launches, are refused with UsageError."""
    source = open_source(path, sm)
    if isinstance(source, NsysTrace):
        return source
    what = "a saved report" if isinstance(source, Report) else "a layer file of trtexec"
    raise UsageError(f"{path} is {what}; this needs the trace itself", _EXPECTED)


def _json_source(path: Path, head: bytes, sm: int | None) -> Report | EnginePair:
    from tcscope.sources.trtexec import looks_like_trtexec, open_pair
    from tcscope.sources.trtexec.repair import demand_size, read_json

    demand_size(path)
    data: Any = None
    try:
        data = read_json(path)
    except TraceError:
        if _TRTEXEC.search(head.decode("utf-8", "replace")):
            raise
    if not _has_schema(data) and looks_like_trtexec(data):
        return open_pair(path, data, sm=sm)
    return _saved_report(path)


def _has_schema(data: Any) -> bool:
    return isinstance(data, dict) and "schema" in data


def _saved_report(path: Path) -> Report:
    try:
        return Report.load(path)
    except TraceError as error:
        said = error.message if str(path) in error.message else f"{path} is {error.message}"
        raise TraceError(said, error.hint or "make it again with `tcscope analyze TRACE -o report.json`") from error


def _two_files(text: str) -> tuple[Path, Path] | None:
    """The files of `LAYERS.json:PROFILE.json`; None where the whole text is a file or no colon parts two."""
    if ":" not in text or Path(text).exists():
        return None
    parts = text.split(":")
    for at in range(1, len(parts)):
        first, second = Path(":".join(parts[:at])), Path(":".join(parts[at:]))
        if first.is_file() and (second.is_file() or second.name.endswith(".json")):
            return first, second
    return None


def _head(path: Path) -> bytes:
    try:
        kind = path.stat().st_mode
        if not stat.S_ISREG(kind) and not stat.S_ISDIR(kind):  # a pipe might never answer, a device never end
            raise UsageError(f"{path} is a pipe or a device, not a file", _EXPECTED)
        with path.open("rb") as file:
            return file.read(512)
    except FileNotFoundError as error:
        raise UsageError(f"no such file: {path}", _EXPECTED) from error
    except IsADirectoryError as error:
        found = sorted([*path.glob("*.sqlite"), *path.glob("*.nsys-rep")])
        hint = f"tcscope analyze {found[0]}" if found else _EXPECTED
        raise UsageError(f"{path} is a directory", hint) from error
    except OSError as error:
        raise UsageError(f"can't read {path}: {error.strerror}", _EXPECTED) from error
    except ValueError as error:  # a zero byte in the name
        raise UsageError(f"no such file: {path}", _EXPECTED) from error
