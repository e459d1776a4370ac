"""The JSON Schemas of the report and of the diff, made from their dataclasses: code and schema can't drift apart.

`python -m tcscope.model.schema` prints the report's, `... diff` the diff's; the copies that ship are
`tcscope/model/report.schema.json` and `tcscope/model/diff.schema.json`.
"""

from __future__ import annotations

import dataclasses
import json
import sys
import types
from enum import Enum
from typing import Any, Union, get_args, get_origin, get_type_hints

from tcscope.model.diff import DIFF_SCHEMA, Diff
from tcscope.model.report import REPORT_SCHEMA, Report

_SIMPLE = {str: "string", int: "integer", float: "number", bool: "boolean"}


def report_schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of `Report.to_dict()`. Unknown fields are allowed: within /1 fields are added."""
    return _schema(Report, REPORT_SCHEMA)


def diff_schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of `Diff.to_dict()`."""
    return _schema(Diff, DIFF_SCHEMA)


def _schema(kind: type[Report] | type[Diff], title: str) -> dict[str, Any]:
    definitions: dict[str, Any] = {}
    _reference(kind, definitions)
    root = definitions.pop(kind.__name__)
    root["properties"]["schema"] = {"const": title}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": title,
        **root,
        "$defs": dict(sorted(definitions.items())),
    }


def _reference(kind: Any, definitions: dict[str, Any]) -> dict[str, Any]:
    if dataclasses.is_dataclass(kind):
        name = getattr(kind, "__name__", "")
        if name not in definitions:
            definitions[name] = {}  # holds the place while its fields are described
            definitions[name] = _object(kind, definitions)
        return {"$ref": f"#/$defs/{name}"}
    origin = get_origin(kind)
    if origin in (Union, types.UnionType):
        options = [_reference(option, definitions) for option in get_args(kind) if option is not type(None)]
        return {"anyOf": [*options, {"type": "null"}]}
    if origin is tuple:
        return {"type": "array", "items": _reference(get_args(kind)[0], definitions)}
    if issubclass(kind, Enum):
        definitions[kind.__name__] = {
            "description": " ".join((kind.__doc__ or "").split()),
            "enum": [word.value for word in kind],
        }
        return {"$ref": f"#/$defs/{kind.__name__}"}
    return {"type": _SIMPLE[kind]}


def _object(kind: Any, definitions: dict[str, Any]) -> dict[str, Any]:
    hints = get_type_hints(kind)
    fields = {f.name: "omitted" not in f.metadata for f in dataclasses.fields(kind)}
    return {
        "description": " ".join((kind.__doc__ or "").split()),
        "type": "object",
        "properties": {name: _reference(hints[name], definitions) for name in fields},
        "required": [name for name, always in fields.items() if always],
    }


if __name__ == "__main__":
    json.dump(diff_schema() if sys.argv[1:] == ["diff"] else report_schema(), sys.stdout, indent=1)
    sys.stdout.write("\n")
