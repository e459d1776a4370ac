"""Whether the packages are there that this room needs; the base install leaves them out."""

from __future__ import annotations

from importlib.util import find_spec

from tcscope.errors import UsageError

NEEDED = ("onnx", "onnxruntime")


def require() -> None:
    """Raise UsageError where one is missing."""
    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        raise UsageError(f"this needs {' and '.join(missing)}", "pip install 'tcscope[ptq]'")
