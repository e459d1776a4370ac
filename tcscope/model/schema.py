"""The JSON Schema of the report, made from its dataclasses: code and schema can't drift apart.

`python -m tcscope.model.schema` prints it; the copy that ships is `tcscope/model/report.schema.json`.
"""

from __future__ import annotations

import dataclasses
import json
import sys
import types
from enum import Enum
from typing import Any, Union, get_args, get_origin, get_type_hints

from tcscope.model.report import REPORT_SCHEMA, Report

_SIMPLE = {str: "string", int: "integer", float: "number", bool: "boolean"}


def report_schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of `Report.to_dict()`. Unknown fields are allowed: within /1 fields are added."""
    definitions: dict[str, Any] = {}
    _reference(Report, definitions)
    root = definitions.pop("Report")
    root["properties"]["schema"] = {"const": REPORT_SCHEMA}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": REPORT_SCHEMA,
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
    fields = [f.name for f in dataclasses.fields(kind)]
    return {
        "description": " ".join((kind.__doc__ or "").split()),
        "type": "object",
        "properties": {name: _reference(hints[name], definitions) for name in fields},
        "required": fields,
    }


if __name__ == "__main__":
    json.dump(report_schema(), sys.stdout, indent=1)
    sys.stdout.write("\n")
