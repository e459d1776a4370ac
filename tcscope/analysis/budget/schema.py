"""The JSON Schema of a budget file, for editors: its keys, and the spelling of a condition by the metrics' own names.

`python -m tcscope.analysis.budget.schema` prints it; the copy that ships is `tcscope/model/budget.schema.json`.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from typing import Any

from tcscope.analysis.budget.budget import BUDGET_SCHEMA
from tcscope.analysis.budget.grammar import BASELINE, TIME_UNITS
from tcscope.analysis.budget.metrics import EVERYWHERE, PART, SCOPED_ALONE, VOCABULARIES, WHOLE_ALONE, words_of
from tcscope.model.check import Clause, Measure, Scope

_NUMBER = r"[0-9]+(\.[0-9]+)?"
_SIGN = r" *[-+] *"
_ABSOLUTE = {
    Measure.SHARE: rf"{_NUMBER} *%|0(\.[0-9]+)?",
    Measure.TIME: rf"{_NUMBER} *({'|'.join(TIME_UNITS)})",
    Measure.COUNT: "[0-9]+",
}
_DIFFERENCE = {
    Measure.SHARE: rf"{_NUMBER} *(pp|%)",
    Measure.TIME: rf"{_NUMBER} *({'|'.join(TIME_UNITS)}|%)",
    Measure.COUNT: rf"[0-9]+|{_NUMBER} *%",
}
_STRING = r"(\"([^\"\\]|\\.)*\"|'([^'\\]|\\.)*')"
_ABOUT = {
    Clause.FAIL_ON: "The check fails where one of these holds.",
    Clause.WARN_ON: "The check warns where one of these holds.",
    Clause.REQUIRE: "The check fails unless all of these hold.",
}


def condition_pattern() -> str:
    """A regular expression, of the kind that JSON Schema has, that each condition that makes sense matches."""
    scoped = rf"({'|'.join(Scope)}) *\[ *{_STRING} *\] *\. *"
    forms = []
    for measure in _ABSOLUTE:
        both = [name for name, of in EVERYWHERE.items() if of is measure]
        alone = [name for name, of in WHOLE_ALONE.items() if of is measure]
        inside = [name for name, of in SCOPED_ALONE.items() if of is measure]
        if measure is Measure.SHARE:
            both += [rf"{name} *\. *{_any(words_of(name))} *\. *{PART}" for name in VOCABULARIES]
        names = rf"(({scoped})?{_any(both)}{''.join(f'|{name}' for name in alone)}{_within(scoped, inside)})"
        value = rf"({_ABSOLUTE[measure]}|{BASELINE}({_SIGN}({_DIFFERENCE[measure]}))?)"
        forms.append(rf"{names} *(<|<=|>|>=) *{value}")
    for name in VOCABULARIES:
        forms.append(rf"{scoped}{name} *(==|!=) *{_any([*words_of(name), BASELINE])}")
    return rf"^\s*({'|'.join(forms)})\s*$"


def budget_schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of `tcscope.yaml`, or of `[tool.tcscope]`."""
    conditions = {"type": "array", "items": {"$ref": "#/$defs/condition"}}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": BUDGET_SCHEMA,
        "description": "What `tcscope check` holds a trace against. Paths are relative to this file.",
        "type": "object",
        "properties": {
            "schema": {"const": BUDGET_SCHEMA},
            "baseline": _text("The saved report to compare with; `tcscope check TRACE --update-baseline` writes it."),
            "range": _text("Only launches inside the NVTX range of this name."),
            "skip": _number("Leave out the first N instances of the range; without one, the first N launches."),
            "device": _number("Only this GPU, by its number in the trace."),
            "layers": _text("What trtexec --exportLayerInfo wrote: layers that the trace hides."),
            "history": _text("The SQLite file to which each check is appended."),
            **{clause.value: {"description": about, **conditions} for clause, about in _ABOUT.items()},
        },
        "additionalProperties": False,
        "$defs": {
            "condition": {
                "description": "METRIC < | <= | > | >= | == | != VALUE, such as: tensor_share < baseline - 2pp",
                "type": "string",
                "pattern": condition_pattern(),
            }
        },
    }


def _within(scoped: str, names: list[str]) -> str:
    return f"|{scoped}{_any(names)}" if names else ""


def _any(words: Iterable[str]) -> str:
    return f"({'|'.join(words)})"


def _text(about: str) -> dict[str, Any]:
    return {"description": about, "type": "string"}


def _number(about: str) -> dict[str, Any]:
    return {"description": about, "type": "integer", "minimum": 0}


if __name__ == "__main__":
    json.dump(budget_schema(), sys.stdout, indent=1)
    sys.stdout.write("\n")
