"""Whether a path names a file that can be read to its end: a pipe might never answer, a device never end."""

from __future__ import annotations

import stat
from pathlib import Path

from tcscope.errors import UsageError


def demand_file(path: Path, hint: str) -> None:
    """Return where there is a file or a folder. Raises UsageError where there is neither."""
    try:
        kind = path.stat().st_mode
    except (FileNotFoundError, ValueError) as error:  # ValueError: a zero byte in the name
        raise UsageError(f"no such file: {path}", hint) from error
    except OSError as error:
        raise UsageError(f"can't read {path}: {error.strerror}", hint) from error
    if not stat.S_ISREG(kind) and not stat.S_ISDIR(kind):
        raise UsageError(f"{path} is a pipe or a device, not a file", hint)
