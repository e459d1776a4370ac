"""A sound trace, and one whose columns take anything, for the tests that break them."""

from __future__ import annotations

import pytest

from tests.fuzz.damage import loose
from tests.fuzz.test_sqlite import whole


@pytest.fixture(scope="session")
def file(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A trace with a row in every table."""
    return whole().write(tmp_path_factory.mktemp("whole") / "t.sqlite").read_bytes()


@pytest.fixture(scope="session")
def untyped(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The same, of columns without types and NOT NULL: they take anything."""
    path = whole().write(tmp_path_factory.mktemp("untyped") / "t.sqlite")
    loose(path)
    return path.read_bytes()
