"""The baseline: a saved report, read and written."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from tcscope.errors import TcscopeError, UsageError
from tcscope.model import Report
from tcscope.sources.plain_file import demand_file

_SQLITE = b"SQLite format 3\x00"


def load_baseline(path: Path) -> Report:
    """The report of a baseline file. Raises UsageError where there is none, or it is something else."""
    hint = f"tcscope check TRACE --update-baseline --baseline {path}"
    try:
        if path.exists():
            demand_file(path, hint)
        with path.open("rb") as file:
            if file.read(len(_SQLITE)) == _SQLITE:
                raise UsageError(f"{path} is a trace, and a baseline is a saved report", hint)
        return Report.load(path)
    except (FileNotFoundError, ValueError) as error:  # ValueError: a zero byte in the name
        raise UsageError(f"no such baseline: {path}", hint) from error
    except OSError as error:
        raise UsageError(f"can't read the baseline {path}: {error.strerror}", hint) from error
    except UsageError:
        raise
    except TcscopeError as error:
        said = error.message if str(path) in error.message else f"{path} is {error.message}"
        raise UsageError(f"no baseline: {said}", hint) from error


def save_baseline(path: Path, report: Report) -> None:
    """Write a report as the baseline, whole or not at all; what is no saved report is never overwritten.

    Raises UsageError.
    """
    target = path.resolve()  # a link stays one
    if target.exists():
        load_baseline(path)
    temporary = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        try:
            temporary.write_text(report.to_json(), encoding="utf-8")
            if target.exists():
                temporary.chmod(stat.S_IMODE(target.stat().st_mode))
            os.replace(temporary, target)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise UsageError(
            f"can't write {path}: {error.strerror}", "give --baseline a file in a folder that exists"
        ) from error
