"""The command line as a test calls it."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass

import pytest

from tcscope.cli import main


@dataclass(frozen=True)
class Failure:
    """What a command that failed said."""

    code: int
    error: str
    hint: str


def failure(capsys: pytest.CaptureFixture[str], *arguments: object) -> Failure:
    """Run a command that must fail: nothing on stdout, one `error:` and one `hint:` on stderr, no traceback."""
    code = main([str(argument) for argument in arguments])
    out, err = capsys.readouterr()
    assert out == ""
    lines = err.splitlines()
    assert "Traceback" not in err
    assert "tcscope itself failed" not in err
    assert [line.split(":")[0] for line in lines] == ["error", "  hint"], err
    return Failure(code, lines[0].removeprefix("error: "), lines[1].removeprefix("  hint: "))


def run(*arguments: object, **options: str) -> subprocess.CompletedProcess[str]:
    """The command in a process of its own."""
    command = [sys.executable, "-m", "tcscope", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, **options)  # type: ignore[call-overload, no-any-return]
