"""What TensorRT's `LayerType` says of a layer, from rules/layer-types.yaml."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from functools import cache
from pathlib import Path
from typing import TypeVar

from tcscope.data import rules_dir
from tcscope.errors import ConfigError
from tcscope.model import Evidence, Op, Unit, Verdict
from tcscope.rulebook.yamlfile import Fields, Problems, compose, scalar_text

SCHEMA = "tcscope.layer-types/1"
FILE = "layer-types.yaml"

E = TypeVar("E", bound=Enum)


class Side(str, Enum):
    """Whose layer a helper kernel belongs to: that of the kernel after it or before it."""

    NEXT = "next"
    PREVIOUS = "previous"


@dataclass(frozen=True, slots=True)
class LayerType:
    """What one type is: its op, what ops its kernels may have, and whether it launches any."""

    name: str
    op: Op
    ops: frozenset[Op]
    unit: Unit
    idle: bool
    source: str

    @property
    def verdict(self) -> Verdict:
        """The verdict on a layer of this type of which nothing else is known."""
        known = self.unit is not Unit.UNKNOWN
        return Verdict(
            unit=self.unit,
            op=self.op,
            rule=f"layer-type:{self.name}",
            evidence=Evidence.DOCUMENTED if known else Evidence.NONE,
            source=f"{FILE}: {self.source}",
        )


@dataclass(frozen=True, slots=True)
class LayerTypes:
    """The table: types by name, and the rules of helper kernels with their side."""

    types: Mapping[str, LayerType]
    helpers: Mapping[str, Side]

    def of(self, name: str) -> LayerType | None:
        """What a type is; None where the table doesn't know it (Myelin's regions, plugins)."""
        return self.types.get(name)


@cache
def layer_types() -> LayerTypes:
    """The built-in table, read once."""
    return read_layer_types(rules_dir() / FILE)


def read_layer_types(path: Path) -> LayerTypes:
    """The table in a file. Raises ConfigError with each problem and its line."""
    problems = Problems(f"{path.parent.name}/{path.name}")
    root = compose(path, problems)
    types: dict[str, LayerType] = {}
    helpers: dict[str, Side] = {}
    if root is not None:
        fields = Fields(root, problems, ("schema", "about", "types", "helpers"))
        if fields.text("schema", required=True) != SCHEMA:
            problems.add(fields.node_of("schema") or root, f"'schema: {SCHEMA}' is expected")
        for found in _types(fields, problems):
            types.setdefault(found.name, found)
        for entry in fields.mappings("helpers", ("rule", "of", "source")):
            entry.text("source", required=True)
            helpers[entry.text("rule", required=True)] = _word(entry, "of", Side.NEXT)
    if problems.found:
        raise ConfigError(problems.found)
    return LayerTypes(types, helpers)


def _types(fields: Fields, problems: Problems) -> Iterator[LayerType]:
    seen: set[str] = set()
    for entry in fields.mappings("types", ("names", "op", "also", "unit", "idle", "source")):
        op, unit = _word(entry, "op", Op.UNKNOWN), _word(entry, "unit", Unit.UNKNOWN)
        also = [scalar_text(node, problems, "also") for node in entry.items("also")]
        if unknown := [word for word in also if word not in list(Op)]:
            problems.add(entry.node_of("also"), f"'{unknown[0]}' is no op")
            continue
        idle, source = entry.node_of("idle") is not None, entry.text("source", required=True)
        for node in entry.items("names"):
            name = scalar_text(node, problems, "names")
            if name in seen:
                problems.add(node, f"type '{name}' is given twice")
            seen.add(name)
            yield LayerType(name, op, frozenset({op, *map(Op, also)}), unit, idle, source)


def _word(entry: Fields, name: str, default: E) -> E:
    text = entry.text(name)
    try:
        return type(default)(text) if text else default
    except ValueError:
        entry.problems.add(
            entry.node_of(name), f"'{name}: {text}' is none of {', '.join(w.value for w in type(default))}"
        )
        return default
