"""The sensitivity table as a file."""

from __future__ import annotations

import json
from pathlib import Path

from tcscope.errors import TraceError, UsageError
from tcscope.model.sensitivity import SENSITIVITY_SCHEMA, Sensitivity

_HINT = "tcscope sensitivity model.onnx --data calib.npz -o s.json"


def read(path: Path) -> Sensitivity:
    """A saved sensitivity table. Raises UsageError where there is none, TraceError where it isn't sound."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"can't read {path}: {error.strerror}", _HINT) from error
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{path} is no JSON file", _HINT) from error
    given = data.get("schema") if isinstance(data, dict) else None
    if given != SENSITIVITY_SCHEMA:
        said = f"it is a {given}" if isinstance(given, str) else "it has no schema"
        raise UsageError(f"{path} is no sensitivity table: {said}", _HINT)
    found = Sensitivity.from_dict(data)
    if not found.layers:
        raise TraceError(f"{path} has no layers", _HINT)
    return found
