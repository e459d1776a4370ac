"""Budget files: `tcscope.yaml`, or `[tool.tcscope]` in pyproject.toml. Every complaint has its line."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from tcscope.analysis.budget.budget import BUDGET_SCHEMA, HINT, Budget, Entry, read_entry
from tcscope.errors import ConfigError, UsageError
from tcscope.model import Selection
from tcscope.model.check import Clause
from tcscope.rulebook.yamlfile import Fields, Problems, compose, scalar_int
from tcscope.sources.plain_file import demand_file

if TYPE_CHECKING:
    import yaml

NAME, PROJECT = "tcscope.yaml", "pyproject.toml"
KEYS = ("schema", "baseline", "range", "skip", "device", "layers", "history", *(clause.value for clause in Clause))


def find_budget(given: Path | None, folder: Path) -> Budget:
    """The budget of a file or, without one, of the folder: tcscope.yaml, else [tool.tcscope], else an empty one.

    Raises UsageError where the given file isn't there, ConfigError with every problem of the file.
    """
    if given is not None:
        hint = f"--budget {NAME}, or {PROJECT} with [tool.tcscope]"
        try:
            is_there = given.exists()
        except OSError as error:  # a name that is too long
            raise UsageError(f"can't read {given}: {error.strerror}", hint) from error
        if not is_there:
            raise UsageError(f"no such budget: {given}", hint)
        budget = read_budget(given)
        if budget is None:
            raise UsageError(f"{given} has no [tool.tcscope]", "name the budget file: --budget tcscope.yaml")
        return budget
    for path in (folder / NAME, folder / PROJECT):
        if path.is_file():
            budget = read_budget(path)
            if budget is not None:
                return budget
    return Budget()


def validate(files: Iterable[Path]) -> list[tuple[Path, Budget | None]]:
    """The budget of each file, None for a TOML file without one. Raises ConfigError with the problems of all."""
    found: list[tuple[Path, Budget | None]] = []
    problems: list[str] = []
    for path in files:
        try:
            found.append((path, read_budget(path)))
        except ConfigError as error:
            problems += error.problems
    if problems:
        raise ConfigError(problems, HINT)
    return found


def read_budget(path: Path) -> Budget | None:
    """The budget in a file; None where it is a TOML file without [tool.tcscope]. Raises UsageError, ConfigError."""
    demand_file(path, HINT)
    problems = Problems(str(path))
    if path.suffix == ".toml":
        from tcscope.analysis.budget.toml import compose_toml

        root = compose_toml(path, problems)
        if root is None and not problems.found:
            return None
    else:
        root = compose(path, problems)
    budget = _read(root, path, problems) if root is not None else None
    if problems.found:
        raise ConfigError(problems.found, HINT)
    return budget


def _read(root: yaml.MappingNode, path: Path, problems: Problems) -> Budget:
    fields = Fields(root, problems, KEYS)
    schema = fields.text("schema", required=path.suffix != ".toml")
    if schema and schema != BUDGET_SCHEMA:
        problems.add(fields.node_of("schema"), f"'schema: {schema}' is not known; this is '{BUDGET_SCHEMA}'")
    return Budget(
        file=str(path),
        entries=tuple(entry for clause in Clause for entry in _entries(fields, clause, path, problems)),
        baseline=_path(fields, "baseline", path),
        selection=Selection(
            fields.text("range") or None, _number(fields, "skip", problems) or 0, _number(fields, "device", problems)
        ),
        layers=_path(fields, "layers", path),
        history=_path(fields, "history", path),
    )


def _entries(fields: Fields, clause: Clause, path: Path, problems: Problems) -> list[Entry]:
    found = []
    for node in fields.items(clause.value):
        text = _condition(node, clause, problems)
        if not text:
            continue
        mark = node.start_mark
        quote = 1 if getattr(node, "style", None) in ("'", '"') else 0
        entry, wrong = read_entry(text, clause, str(path), mark.line + 1, mark.column + 1 + quote)
        problems.found += wrong
        found += [entry] if entry else []
    return found


def _condition(node: yaml.Node, clause: Clause, problems: Problems) -> str:
    if node.tag == "tag:yaml.org,2002:str":
        text = str(node.value).strip()
        if text:
            return text
        problems.add(node, f"an empty condition under '{clause}:'")
    elif node.tag == "tag:yaml.org,2002:map":
        problems.add(node, f"a condition under '{clause}:' must be text; one that holds ': ' stands in single quotes")
    else:
        problems.add(node, f"a condition under '{clause}:' must be text, such as: tensor_share < 75%")
    return ""


def _path(fields: Fields, name: str, budget: Path) -> Path | None:
    text = fields.text(name)
    return budget.parent / text if text else None


def _number(fields: Fields, name: str, problems: Problems) -> int | None:
    node = fields.node_of(name)
    number = scalar_int(node, problems, name) if node is not None else None
    if node is not None and number is not None and number < 0:
        problems.add(node, f"'{name}:' must be a whole number from 0 on")
    return number
