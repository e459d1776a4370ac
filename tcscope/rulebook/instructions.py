"""What an opcode of machine code says of matrix instructions, from rules/instructions.yaml."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import yaml

from tcscope.data import rules_dir
from tcscope.errors import ConfigError
from tcscope.model import Accumulate, Precision
from tcscope.rulebook.rule import W
from tcscope.rulebook.yamlfile import Fields, Problems, compose, scalar_text

SCHEMA = "tcscope.instructions/1"
FILE = "instructions.yaml"
_MATRIX = "MMA"


@dataclass(frozen=True, slots=True)
class Meaning:
    """What an opcode is: `known` is False where it looks like a matrix instruction, and the table has none such."""

    precision: Precision = Precision.UNKNOWN
    accumulate: Accumulate | None = None
    known: bool = True


@dataclass(frozen=True, slots=True)
class _Family:
    opcodes: tuple[str, ...]
    types: Mapping[str, Precision]
    otherwise: Precision
    accumulate: Accumulate | None
    accumulators: Mapping[str, Accumulate]


@dataclass(frozen=True, slots=True)
class InstructionTable:
    """The families of matrix instructions by mnemonic."""

    families: Mapping[str, _Family]

    def of(self, opcode: str) -> Meaning | None:
        """What `HMMA.16816.F32.BF16` multiplies; None for an opcode that is no matrix instruction."""
        mnemonic, *modifiers = opcode.split(".")
        family = self.families.get(mnemonic)
        if family is None:
            return Meaning(known=False) if _MATRIX in mnemonic else None
        types = {family.types[word] for word in modifiers if word in family.types}
        precision = family.otherwise if not types else types.pop() if len(types) == 1 else Precision.MIXED
        spelled = next((family.accumulators[word] for word in modifiers if word in family.accumulators), None)
        return Meaning(precision, family.accumulate or spelled)


@cache
def instruction_table() -> InstructionTable:
    """The built-in table, read once."""
    return read_instruction_table(rules_dir() / FILE)


def read_instruction_table(path: Path) -> InstructionTable:
    """The table in a file. Raises ConfigError with each problem and its line."""
    problems = Problems(f"{path.parent.name}/{path.name}")
    root = compose(path, problems)
    families: dict[str, _Family] = {}
    if root is not None:
        fields = Fields(root, problems, ("schema", "about", "matrix"))
        if fields.text("schema", required=True) != SCHEMA:
            problems.add(fields.node_of("schema") or root, f"'schema: {SCHEMA}' is expected")
        for family in _families(fields, problems):
            for opcode in family.opcodes:
                if opcode in families:
                    problems.add(fields.node_of("matrix"), f"opcode '{opcode}' is given twice")
                families[opcode] = family
    if problems.found:
        raise ConfigError(problems.found)
    return InstructionTable(families)


def _families(fields: Fields, problems: Problems) -> Iterator[_Family]:
    for entry in fields.mappings("matrix", ("opcodes", "types", "otherwise", "accumulate")):
        opcodes = tuple(scalar_text(node, problems, "opcodes") for node in entry.items("opcodes"))
        types = _table(entry.node_of("types"), problems, "types", Precision)
        otherwise = _word(entry.text("otherwise", required=True), entry.node_of("otherwise"), problems, Precision)
        node = entry.node_of("accumulate")
        constant, accumulators = None, {}
        if isinstance(node, yaml.MappingNode):
            accumulators = _table(node, problems, "accumulate", Accumulate)
        elif node is not None:
            constant = _word(entry.text("accumulate"), node, problems, Accumulate)
        yield _Family(opcodes, types, otherwise or Precision.UNKNOWN, constant, accumulators)


def _table(node: yaml.Node | None, problems: Problems, name: str, kind: type[W]) -> dict[str, W]:
    """A mapping of modifiers to words."""
    if node is None:
        return {}
    if not isinstance(node, yaml.MappingNode):
        problems.add(node, f"'{name}:' must be a mapping of modifiers to words")
        return {}
    found = {}
    for key, value in node.value:
        word = _word(scalar_text(value, problems, name), value, problems, kind)
        if word is not None:
            found[scalar_text(key, problems, name)] = word
    return found


def _word(text: str, node: yaml.Node | None, problems: Problems, kind: type[W]) -> W | None:
    try:
        return kind(text) if text else None
    except ValueError:
        problems.add(node, f"'{text}' is no {kind.__name__.lower()}; one of {', '.join(kind)}")
        return None
