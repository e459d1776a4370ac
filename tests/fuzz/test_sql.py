"""Values reach SQL as bound parameters: no text of a file or of a user stands in a statement."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.places import REPOSITORY

MODULES = sorted((REPOSITORY / "tcscope" / "sources").rglob("*.py"))
CONSTANT = {"keeps_name('{table}', name)", "pragma encoding = '{encoding}'"}  # names of tables.py; a word of SQLite's


def quoted_values(path: Path) -> Iterator[str]:
    """The f-strings of statements that put a value between quotes of SQL."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.JoinedStr):
            continue
        parts = [part.value if isinstance(part, ast.Constant) else None for part in node.values]
        text = ast.unparse(node)
        if not any(word in text.lower() for word in ("select ", "pragma ", "where ", "keeps_name", "attach ")):
            continue
        for before, value, after in zip(parts, parts[1:], parts[2:], strict=False):
            if value is None and str(before).endswith("'") and str(after).startswith("'"):
                yield text[2:-1]


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_no_value_stands_in_a_statement(path: Path) -> None:
    assert {text for text in quoted_values(path) if "raise" not in text} <= CONSTANT
