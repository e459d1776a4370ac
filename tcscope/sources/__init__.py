"""Every file that tcscope reads. `open_source` tells by its content what a file is."""

from __future__ import annotations

from pathlib import Path

from tcscope.errors import TraceError, UsageError
from tcscope.model import Report
from tcscope.sources.nsys import NsysTrace

__all__ = ["NsysTrace", "open_source", "open_trace"]

_SQLITE = b"SQLite format 3\x00"
_EXPECTED = "a trace is a .sqlite made by `nsys export --type sqlite`, a .nsys-rep, or a saved report.json"


def open_source(path: str | Path, sm: int | None = None) -> NsysTrace | Report:
    """The trace, or the saved report, in a file.

    `sm` is the compute capability of GPUs of which a trace doesn't know it. Raises UsageError where there is no such
    file, TraceError where it is nothing that tcscope reads.
    """
    path = Path(path)
    head = _head(path)
    if head.startswith(_SQLITE):
        return NsysTrace(path, sm)
    if path.suffix == ".nsys-rep":
        from tcscope.sources.nsys_rep import exported

        return exported(path, sm)
    if head.lstrip()[:1] == b"{":
        return _saved_report(path)
    if path.suffix in (".qdrep", ".qdstrm"):
        raise TraceError(
            f"{path} is a raw recording of nsys",
            f"nsys export --type sqlite -o {path.with_suffix('.sqlite')} {path}  # with the nsys that made it",
        )
    what = "is empty" if not head else "is no SQLite file, no nsys report and no saved report"
    raise TraceError(f"{path} {what}", _EXPECTED)


def open_trace(path: str | Path, sm: int | None = None) -> NsysTrace:
    """The trace in a file; a saved report, which has no launches, is refused with UsageError."""
    source = open_source(path, sm)
    if isinstance(source, Report):
        raise UsageError(f"{path} is a saved report; this needs the trace itself", _EXPECTED)
    return source


def _saved_report(path: Path) -> Report:
    try:
        return Report.load(path)
    except TraceError as error:
        said = error.message if str(path) in error.message else f"{path} is {error.message}"
        raise TraceError(said, error.hint or "make it again with `tcscope analyze TRACE -o report.json`") from error


def _head(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(512)
    except FileNotFoundError as error:
        raise UsageError(f"no such file: {path}", _EXPECTED) from error
    except IsADirectoryError as error:
        found = sorted([*path.glob("*.sqlite"), *path.glob("*.nsys-rep")])
        hint = f"tcscope analyze {found[0]}" if found else _EXPECTED
        raise UsageError(f"{path} is a directory", hint) from error
    except OSError as error:
        raise UsageError(f"can't read {path}: {error.strerror}") from error
