"""JSON as trtexec writes it: layer names go out without escaping, so that a file need not be JSON at all.

Met in real files: raw control characters (the \\x1e between ONNX names), a quote or a backslash inside a name, `nan`.
"""

from __future__ import annotations

import json
import re
import stat
import sys
from pathlib import Path
from typing import Any

from tcscope.errors import TraceError, UsageError

_KEY = re.compile(r'"[^"\x00-\x1f]*"(?=\s*:)')
# A raw string ends at the first quote behind which the file goes on as trtexec goes on there.
_VALUE_END = re.compile(r'"(?=\s*(?:,\s*"[\w/ .-]+"\s*:|\}\s*(?:[,\]}]|$)))')
_ELEMENT_END = re.compile(r'"(?=\s*(?:,\s*"|\]))')
_NO_NUMBER = re.compile(r"(?<=[:\s])[-+]?(?:nan|inf)(?:\([^)\n]*\))?(?=\s*[,}\]])", re.IGNORECASE)
_BEGINS = re.compile(r"\s*[\[{]")

MOST_BYTES = 25_000_000  # as Python's objects up to twenty-five times as much
CUT = "copy the file again, or let trtexec write it again"


def read_json(path: Path) -> Any:
    """The value in a JSON file, repaired where its names were written raw; a note on stderr says so.

    Raw control characters go without a note: TensorRT 8 and 10 write \\x1e between the ONNX names of every fused layer.

    Raises UsageError where the file can't be read, TraceError where it can't be repaired.
    """
    text = read_text(path)
    try:
        return json.loads(text, strict=False)
    except ValueError as error:
        problem = error
    except RecursionError as error:
        raise TraceError(f"{path} is nested too deep to be a file of trtexec", CUT) from error
    mended = _NO_NUMBER.sub("null", text)
    for attempt, what in (
        (mended, "numbers that are none"),
        (_rewritten(mended), "names with quotes or backslashes that are not escaped"),
    ):
        try:
            value = json.loads(attempt, strict=False)
        except (ValueError, RecursionError):
            continue
        print(f"note: {path.name} is not valid JSON: {what}; read all the same", file=sys.stderr)
        return value
    raise TraceError(f"{path} is damaged or cut short: {_place(problem)}", CUT)


def read_text(path: Path) -> str:
    """A file's text, whatever its encoding. Raises UsageError."""
    try:
        demand_size(path)
        raw = path.read_bytes()
    except FileNotFoundError as error:
        raise UsageError(
            f"no such file: {path}", "trtexec --exportLayerInfo=L.json --exportProfile=P.json ..."
        ) from error
    except OSError as error:
        raise UsageError(f"can't read {path}: {error.strerror}", "give a JSON file") from error
    except ValueError as error:  # a zero byte in the name
        raise UsageError(f"no such file: {path}", "give a JSON file") from error
    return raw.decode(json.detect_encoding(raw), "replace")


def demand_size(path: Path) -> None:
    """Raise TraceError where a JSON file is too large to be read, UsageError where it is no file, OSError."""
    state = path.stat()
    if not stat.S_ISREG(state.st_mode) and not stat.S_ISDIR(state.st_mode):
        raise UsageError(f"{path} is a pipe or a device, not a file", "give a JSON file")
    if state.st_size > MOST_BYTES:
        raise TraceError(f"{path} is larger than {MOST_BYTES // 1_000_000} MB, and no JSON that tcscope reads is", CUT)


def begins_as_json(head: bytes) -> bool:
    """Whether a file that begins so may be JSON, in any of its encodings."""
    return bool(_BEGINS.match(head.decode(json.detect_encoding(head), "replace").lstrip("\ufeff")))


def _rewritten(text: str) -> str:
    """The text with every string escaped anew: a writer that lets a quote through escapes nothing at all."""
    parts: list[str] = []
    at = 0
    while (start := text.find('"', at)) >= 0:
        parts.append(text[at:start])
        is_value = text[at:start].rstrip().endswith(":")
        key = None if is_value else _KEY.match(text, start)
        if key is not None:
            parts.append(key.group())
            at = key.end()
            continue
        end = (_VALUE_END if is_value else _ELEMENT_END).search(text, start + 1)
        if end is None:
            break
        parts.append(json.dumps(text[start + 1 : end.start()]))
        at = end.start() + 1
    return "".join([*parts, text[max(at, start) :] if start >= 0 else text[at:]])


def _place(error: ValueError) -> str:
    return f"no JSON from line {error.lineno} on" if isinstance(error, json.JSONDecodeError) else str(error)[:100]
