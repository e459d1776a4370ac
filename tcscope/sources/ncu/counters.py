"""A file of counters, whatever its form, as one record a profiled launch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tcscope.errors import TraceError, UsageError
from tcscope.sources.plain_file import demand_file

EXPECTED = "tcscope profile --counters records them, or: ncu --csv --page raw --metrics ... COMMAND > counters.csv"


@dataclass(frozen=True, slots=True)
class Counted:
    """One launch under Nsight Compute: the kernel's name, its GPU's capability (None: not told), its metrics' values.

    Metrics are by their full names (`sm__ops_path_tensor_src_fp16.sum`); one without a number is left out.
    """

    name: str
    sm: int | None
    values: Mapping[str, float]


def read_counters(path: str | Path) -> list[Counted]:
    """The launches of an ncu CSV (wide or long) or an .ncu-rep. Raises UsageError, TraceError where it is neither."""
    path = Path(path)
    if path.suffix == ".ncu-rep":
        from tcscope.sources.ncu.report import read_report

        return read_report(path)
    demand_file(path, EXPECTED)
    try:
        text = path.read_text(encoding="utf-8-sig", errors="replace")
    except IsADirectoryError as error:
        found = sorted([*path.glob("counters.csv"), *path.glob("*.ncu-rep")])
        raise UsageError(f"{path} is a directory", f"--ncu {found[0]}" if found else EXPECTED) from error
    except OSError as error:
        raise UsageError(f"can't read {path}: {error.strerror}") from error
    from tcscope.sources.ncu.table import parse

    found_launches = parse(text, str(path))
    if not found_launches:
        raise TraceError(f"{path} holds no kernel", EXPECTED)
    return found_launches


def capability(text: str) -> int | None:
    """90 for `9.0`; None for anything else."""
    major, _, minor = text.strip().partition(".")
    return int(major) * 10 + int(minor) if major.isdecimal() and minor.isdecimal() and len(minor) == 1 else None
