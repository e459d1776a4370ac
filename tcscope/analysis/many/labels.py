"""What each trace of a set is called: its file's name, with as much of its folder as sets it apart."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from os.path import abspath, normpath, realpath
from pathlib import Path, PurePath

from tcscope.errors import UsageError


def labels(paths: Sequence[str]) -> list[str]:
    """`rank0/t.sqlite`, `rank1/t.sqlite`, `other.sqlite`: the shortest ends of the paths that differ."""
    parts = [PurePath(abspath(path)).parts for path in paths]
    depth = [1] * len(paths)
    while True:
        tails = [p[-d:] for p, d in zip(parts, depth, strict=True)]
        seen = Counter(tails)
        longer = [i for i, tail in enumerate(tails) if seen[tail] > 1 and depth[i] < len(parts[i])]
        if not longer:
            # bytes of another encoding can't be in a document
            return [str(PurePath(*tail)).encode("utf-8", "replace").decode() for tail in tails]
        for i in longer:
            depth[i] += 1


def refuse_duplicates(paths: Sequence[str], *, here: bool) -> None:
    """Raises UsageError where two paths mean one file; `here`: the files lie on this machine, links can be followed."""
    seen: dict[object, str] = {}
    exports = {path.removesuffix(".sqlite"): path for path in paths if path.endswith(".sqlite")}
    for path in paths:
        export = exports.get(path.removesuffix(".nsys-rep")) if path.endswith(".nsys-rep") else None
        if export is not None:
            raise UsageError(f"{export} is the export of {path}: the recording would count twice", "name one of them")
        key = _identity(path) if here else normpath(abspath(path))
        if key in seen:
            also = "" if seen[key] == path else f", also as {seen[key]}"
            raise UsageError(f"{path} is given twice{also}: it would count twice", "name each trace once")
        seen[key] = path


def _identity(path: str) -> object:
    try:
        found = Path(path).stat()
    except (OSError, ValueError):  # it will be an error of its own
        return path if "\0" in path else realpath(path)
    return (found.st_dev, found.st_ino)
