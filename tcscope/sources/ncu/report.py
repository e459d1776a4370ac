"""An .ncu-rep through NVIDIA's own `ncu-report` package."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tcscope.errors import TraceError, UsageError
from tcscope.sources.ncu.counted import Counted

_INSTALL = (
    "python3 -m pip install 'tcscope[ncu]', or: ncu --import {0} --csv --page raw --print-units base > counters.csv"
)
_MAJOR, _MINOR = "device__attribute_compute_capability_major", "device__attribute_compute_capability_minor"


def read_report(path: Path) -> list[Counted]:
    """The launches of a report. Raises UsageError, and TraceError without the package or where it can't read it."""
    if not path.is_file():
        raise UsageError(f"no such file: {path}", "--ncu counters.csv")
    try:
        import ncu_report
    except (ImportError, OSError) as error:
        raise TraceError(f"reading {path} needs the package ncu-report ({error})", _INSTALL.format(path)) from error
    try:
        context = ncu_report.load_report(str(path))
        found = [_counted(action) for span in context for action in span]
    except Exception as error:  # its errors are not documented; each means that the file is not readable
        raise TraceError(f"{path} is no report that ncu-report can read: {error}", _INSTALL.format(path)) from error
    if not found:
        raise TraceError(f"{path} holds no kernel", _INSTALL.format(path))
    return found


def _counted(action: Any) -> Counted:
    values = {}
    for name in action.metric_names():
        value = action[name].value() if "__" in name else None
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            values[name] = float(value)
    major, minor = values.get(_MAJOR), values.get(_MINOR)
    sm = int(10 * major + minor) if major is not None and minor is not None else None
    return Counted(action.name(action.NameBase_DEMANGLED), sm, values)
