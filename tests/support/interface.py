"""The fields of a JSON Schema as lines of text: what others script against, and which may only grow."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

Schema = dict[str, Any]


def fields(schema: Schema) -> set[str]:
    """A line for each field and each value it takes: `totals.launches: integer`, `kernels[].unit: "cuda_core"`.

    A field that is always there has a line `totals.launches: required` too.
    """
    return set(_lines(schema, schema, ""))


def _lines(part: Schema, root: Schema, path: str) -> Iterator[str]:
    if "$ref" in part:
        part = root["$defs"][part["$ref"].rsplit("/", 1)[1]]
    for option in part.get("anyOf", ()):
        yield from _lines(option, root, path)
    yield from (f"{path}: {json.dumps(word)}" for word in part.get("enum", ()))
    if "const" in part:
        yield f"{path}: {json.dumps(part['const'])}"
    kind = part.get("type")
    if kind == "array":
        yield from _lines(part["items"], root, f"{path}[]")
    elif kind != "object":
        yield from [f"{path}: {kind}"] if kind else []
    inner = part.get("properties", {})
    for name, field in inner.items():
        yield from _lines(field, root, f"{path}.{name}".lstrip("."))
    yield from (f"{path}.{name}: required".lstrip(".") for name in part.get("required", ()))


def broken(earlier: set[str], now: set[str], *, written_by_users: bool = False) -> set[str]:
    """The lines by which a schema breaks what it promised: fields may come, and words of a vocabulary; nothing else.

    A field that takes another kind than before, such as null, surprises who reads it. What users write themselves, such
    as a budget, may take more kinds, but must not demand another field.
    """
    gone, come = earlier - now, now - earlier
    if written_by_users:
        old = {line for line in gone if not line.endswith(": required")}
        return old | {line for line in come if earlier and line.endswith(": required")}
    known = {line.partition(": ")[0] for line in earlier}
    kinds = {line for line in come if not line.endswith((": required", '"')) and line.partition(": ")[0] in known}
    return gone | kinds


def read_fields(file: Path) -> set[str]:
    """The lines of a committed list; there may be none yet."""
    return set(file.read_text(encoding="utf-8").splitlines()) if file.exists() else set()


def write_fields(file: Path, lines: set[str]) -> None:
    """Commit a list, sorted by field."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("\n".join(sorted(lines)) + "\n", encoding="utf-8")
