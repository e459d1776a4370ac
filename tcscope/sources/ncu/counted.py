"""One launch that Nsight Compute counted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

EXPECTED = "tcscope profile --counters records them, or: ncu --csv --page raw --metrics ... COMMAND > counters.csv"


@dataclass(frozen=True, slots=True)
class Counted:
    """One launch under Nsight Compute: the kernel's name, its GPU's capability (None: not told), its metrics' values.

    Metrics are by their full names (`sm__ops_path_tensor_src_fp16.sum`); one without a number is left out.
    """

    name: str
    sm: int | None
    values: Mapping[str, float]


def capability(text: str) -> int | None:
    """90 for `9.0`; None for anything else."""
    major, _, minor = text.strip().partition(".")
    return int(major) * 10 + int(minor) if major.isdecimal() and minor.isdecimal() and len(minor) == 1 else None
