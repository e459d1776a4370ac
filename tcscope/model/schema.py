"""The JSON Schemas of what commands answer, made from the dataclasses: code and schema can't drift apart.

`python -m tcscope.model.schema` prints the report's, `... diff` the diff's, `... check` the check's, `... set`
that of several traces; the copies that ship are `report.schema.json` and so on in `tcscope/model`.
"""

from __future__ import annotations

import dataclasses
import json
import sys
import types
from enum import Enum
from typing import Any, Union, get_args, get_origin, get_type_hints

from tcscope.model.advise import ADVICE_SCHEMA, MixAdvice
from tcscope.model.check import CHECK_SCHEMA, Check
from tcscope.model.diff import DIFF_SCHEMA, Diff
from tcscope.model.document import Document
from tcscope.model.history import HISTORY_SCHEMA, Trend
from tcscope.model.many import SET_SCHEMA, TraceSet
from tcscope.model.report import REPORT_SCHEMA, Report
from tcscope.model.sass import SASS_SCHEMA, Sass
from tcscope.model.sensitivity import SENSITIVITY_SCHEMA, Sensitivity
from tcscope.model.verification import VERIFY_SCHEMA, Verification

_SIMPLE = {str: "string", int: "integer", float: "number", bool: "boolean"}


def report_schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of `Report.to_dict()`. Unknown fields are allowed: within /1 fields are added."""
    return _schema(Report, REPORT_SCHEMA)


def diff_schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of `Diff.to_dict()`."""
    return _schema(Diff, DIFF_SCHEMA)


def sensitivity_schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of `Sensitivity.to_dict()`."""
    return _schema(Sensitivity, SENSITIVITY_SCHEMA)


def advice_schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of `MixAdvice.to_dict()`."""
    return _schema(MixAdvice, ADVICE_SCHEMA)


def check_schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of `Check.to_dict()`."""
    return _schema(Check, CHECK_SCHEMA)


def set_schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of `TraceSet.to_dict()`."""
    return _schema(TraceSet, SET_SCHEMA)


def verify_schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of `Verification.to_dict()`."""
    return _schema(Verification, VERIFY_SCHEMA)


def sass_schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of `Sass.to_dict()`."""
    return _schema(Sass, SASS_SCHEMA)


def history_schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of `Trend.to_dict()`."""
    return _schema(Trend, HISTORY_SCHEMA)


def _schema(kind: type[Document], title: str) -> dict[str, Any]:
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
    schemas = {"report": report_schema, "diff": diff_schema, "check": check_schema, "sensitivity": sensitivity_schema}
    schemas |= {"set": set_schema, "advice": advice_schema}
    schemas |= {"verify": verify_schema, "sass": sass_schema, "history": history_schema}
    json.dump(schemas["".join(sys.argv[1:2]) or "report"](), sys.stdout, indent=1)
    sys.stdout.write("\n")
