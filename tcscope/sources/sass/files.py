"""Which files hold machine code: those that are named, or those in a folder such as Triton's cache."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from tcscope.errors import UsageError
from tcscope.sources.plain_file import demand_file

SUFFIXES = (".cubin", ".fatbin", ".so", ".dll", ".exe", ".o", ".a")
_EXPECTED = "a cubin, fatbin, library or program, or a folder of them such as ~/.triton/cache"


def code_files(paths: Iterable[str | Path]) -> list[Path]:
    """The files themselves, and of a folder those below it that may hold code. Raises UsageError."""
    found: list[Path] = []
    for path in map(Path, paths):
        demand_file(path, _EXPECTED)
        if path.is_dir():
            inside = sorted(file for file in path.rglob("*") if file.suffix in SUFFIXES and file.is_file())
            if not inside:
                raise UsageError(f"no {', '.join(SUFFIXES[:3])} file in {path}", _EXPECTED)
            found += inside
        else:
            found.append(path)
    return list(dict.fromkeys(found))
