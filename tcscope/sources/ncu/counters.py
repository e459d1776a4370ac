"""A file of counters, whatever its form, as one record a profiled launch."""

from __future__ import annotations

from pathlib import Path

from tcscope.errors import TraceError, UsageError
from tcscope.sources.ncu.counted import EXPECTED, Counted
from tcscope.sources.ncu.report import read_report
from tcscope.sources.ncu.table import parse
from tcscope.sources.plain_file import demand_file


def read_counters(path: str | Path) -> list[Counted]:
    """The launches of an ncu CSV (wide or long) or an .ncu-rep. Raises UsageError, TraceError where it is neither."""
    path = Path(path)
    if path.suffix == ".ncu-rep":
        return read_report(path)
    demand_file(path, EXPECTED)
    try:
        text = path.read_text(encoding="utf-8-sig", errors="replace")
    except IsADirectoryError as error:
        found = sorted([*path.glob("counters.csv"), *path.glob("*.ncu-rep")])
        raise UsageError(f"{path} is a directory", f"--ncu {found[0]}" if found else EXPECTED) from error
    except OSError as error:
        raise UsageError(f"can't read {path}: {error.strerror}") from error
    found_launches = parse(text, str(path))
    if not found_launches:
        raise TraceError(f"{path} holds no kernel", EXPECTED)
    return found_launches
