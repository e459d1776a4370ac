"""Goldens: texts that the tests hold against tests/goldens, rewritten by `pytest --update-goldens`."""

from __future__ import annotations

import difflib
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

GOLDENS = Path(__file__).parent / "goldens"
_SHOWN = 60

# A busy machine is slow without being wrong; and what a build server finds must be found again by whoever looks.
settings.register_profile(
    "tcscope",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    derandomize=bool(os.environ.get("CI")),
)
settings.load_profile("tcscope")

Golden = Callable[[str, str], None]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-goldens", action="store_true", help="rewrite tests/goldens from what the tests produce")


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Golden:
    """`golden(path, text)`: `text` is what tests/goldens/PATH holds, or becomes it with --update-goldens."""
    update = bool(request.config.getoption("--update-goldens"))

    def check(path: str, text: str) -> None:
        file = GOLDENS / path
        if update:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8", newline="")
            return
        if not file.exists():
            pytest.fail(f"no golden {path} yet: pytest --update-goldens, then read what it wrote", pytrace=False)
        expected = file.read_bytes().decode()
        if text != expected:
            pytest.fail(_difference(path, expected, text), pytrace=False)

    return check


def _difference(path: str, expected: str, text: str) -> str:
    lines = list(difflib.unified_diff(expected.splitlines(), text.splitlines(), "golden", "now", n=0, lineterm=""))
    changed = [line for line in lines[2:] if not line.startswith("@@")]
    more = [f"... and {len(changed) - _SHOWN} more lines"] if len(changed) > _SHOWN else []
    head = f"tests/goldens/{path} differs; if this is meant: pytest --update-goldens, then read git diff"
    return "\n".join([head, *changed[:_SHOWN], *more])
