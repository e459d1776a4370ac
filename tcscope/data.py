"""Where the data that ships with tcscope lies."""

from __future__ import annotations

from pathlib import Path

from tcscope.errors import TcscopeError


def rules_dir() -> Path:
    """The folder of the built-in rule files: inside the package (wheel) or beside it (checkout, editable install)."""
    package = Path(__file__).resolve().parent
    for folder in (package / "rules", package.parent / "rules"):
        if (folder / "hardware.yaml").is_file():  # any other folder named rules is not ours
            return folder
    raise TcscopeError(
        "the built-in rules are missing from this installation",
        "install tcscope again: python3 -m pip install --force-reinstall tcscope",
    )
