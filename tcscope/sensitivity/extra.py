"""What this room needs before it starts: the network's file, and packages that the base install leaves out."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from tcscope.errors import UsageError

NEEDED = ("onnx", "onnxruntime")
_EXAMPLE = "tcscope sensitivity model.onnx --random 16"


def require(network: Path | None = None, hint: str = _EXAMPLE) -> None:
    """Raise UsageError where the network's file is missing, which no package mends, or a package is."""
    if network is not None:
        check_file(network, hint)
    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        raise UsageError(f"this needs {' and '.join(missing)}", "pip install 'tcscope[ptq]'")


def check_file(network: Path, hint: str = _EXAMPLE) -> None:
    """Raise UsageError, with this hint, where there is no such file."""
    if not network.is_file():
        what = f"{network} is a folder" if network.is_dir() else f"no such network: {network}"
        raise UsageError(what, hint)
