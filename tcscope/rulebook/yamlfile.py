"""YAML with places: a file's nodes, read with the line of each, so that every complaint can point at its line.

Works on the composed node tree instead of loaded objects: a repeated key, `on` read as true or 16816 read as a number
are all still visible there.
"""

from __future__ import annotations

import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from tcscope.data import rules_dir
from tcscope.errors import UsageError, did_you_mean

_MOST_BYTES = 10_000_000  # the built-in rules have 0.2
_MOST_LEVELS = 100  # the C parser takes each on its own stack, which it overruns in silence
_LOADER: type[yaml.SafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(slots=True)
class Problems:
    """The complaints about one file, each `path:line: what`. A `trusted` file ships with tcscope."""

    path: str
    found: list[str] = field(default_factory=list)
    trusted: bool = False

    def add(self, node: yaml.Node | None, what: str) -> None:
        """Complain about what stands at `node`."""
        line = node.start_mark.line + 1 if node is not None else 1
        self.found.append(f"{self.path}:{line}: {what}")


def compose(path: Path, problems: Problems) -> yaml.MappingNode | None:
    """The root mapping of a YAML file; None after complaining that it isn't one."""
    try:
        state = path.stat()
        if not stat.S_ISREG(state.st_mode):
            raise UsageError(f"can't read {path}: it is no plain file", "give a .yaml file, or a folder of them")
        if state.st_size > _MOST_BYTES:
            problems.found.append(f"{path}:1: is larger than {_MOST_BYTES // 1_000_000} MB")
            return None
        text = path.read_text(encoding="utf-8")
        if path.parent != rules_dir() and _is_deep(text):
            problems.found.append(f"{path}:1: is nested more than {_MOST_LEVELS} levels deep")
            return None
        root = yaml.compose(text, Loader=_LOADER)
    except OSError as error:
        raise UsageError(f"can't read {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        problems.found.append(f"{path}:1: not UTF-8 text (byte {error.start})")
        return None
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        problems.found.append(f"{path}:{line}: not YAML: {error.problem}")
        return None
    except yaml.YAMLError as error:
        problems.found.append(f"{path}:1: not YAML: {str(error).splitlines()[0]}")
        return None
    if not isinstance(root, yaml.MappingNode):
        problems.add(root, "a mapping is expected at the top (schema:, about:, ...)")
        return None
    return root


def _is_deep(text: str) -> bool:
    """Whether the text is nested deeper than it may; told from its events, which take no stack."""
    level = 0
    for event in yaml.parse(text, Loader=_LOADER):
        if isinstance(event, yaml.CollectionStartEvent):
            level += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            level -= 1
        if level > _MOST_LEVELS:
            return True
    return False


class Fields:
    """A mapping node's fields by name, each taken once; what nobody took is an unknown key."""

    def __init__(self, node: yaml.MappingNode, problems: Problems, known: Iterable[str]) -> None:
        self.node = node
        self.problems = problems
        self._nodes: dict[str, yaml.Node] = {}
        known = tuple(known)
        for key, value in node.value:
            name = key.value if isinstance(key, yaml.ScalarNode) else ""
            if not name or key.tag != "tag:yaml.org,2002:str":
                problems.add(key, f"key {name or 'here'} is no plain text in YAML; put it in quotes")
            elif name in self._nodes:
                problems.add(key, f"key '{name}' is given twice")
            elif name not in known:
                problems.add(key, f"unknown key '{name}'{did_you_mean(name, known)}")
            else:
                self._nodes[name] = value

    def node_of(self, name: str) -> yaml.Node | None:
        """The node of a field, or None when it is absent."""
        return self._nodes.get(name)

    def text(self, name: str, *, required: bool = False) -> str:
        """A field's text; '' and a complaint where it is required and absent, or no text."""
        node = self._nodes.get(name)
        if node is None:
            if required:
                self.problems.add(self.node, f"'{name}:' is missing")
            return ""
        return scalar_text(node, self.problems, name)

    def mapping(self, name: str, known: Iterable[str], *, required: bool = False) -> Fields | None:
        """A field that is a mapping with the `known` keys."""
        node = self._nodes.get(name)
        if isinstance(node, yaml.MappingNode):
            return Fields(node, self.problems, known)
        if node is not None:
            self.problems.add(node, f"'{name}:' must be a mapping with {', '.join(known)}")
        elif required:
            self.problems.add(self.node, f"'{name}:' is missing")
        return None

    def items(self, name: str) -> Iterator[yaml.Node]:
        """The entries of a list field; none where it is absent."""
        node = self._nodes.get(name)
        if isinstance(node, yaml.SequenceNode):
            yield from node.value
        elif node is not None:
            self.problems.add(node, f"'{name}:' must be a list")

    def mappings(self, name: str, known: Iterable[str]) -> Iterator[Fields]:
        """The entries of a list of mappings."""
        known = tuple(known)
        for node in self.items(name):
            if isinstance(node, yaml.MappingNode):
                yield Fields(node, self.problems, known)
            else:
                self.problems.add(node, f"each entry of '{name}:' must be a mapping with {', '.join(known)}")


def scalar_text(node: yaml.Node, problems: Problems, name: str) -> str:
    """The text of a scalar node; numbers and booleans are refused, since YAML may have changed how they read."""
    if not isinstance(node, yaml.ScalarNode):
        problems.add(node, f"'{name}:' must be text")
    elif node.tag != "tag:yaml.org,2002:str":
        problems.add(node, f"'{name}: {node.value}' is no text in YAML; put it in quotes")
    else:
        return str(node.value)
    return ""


def scalar_int(node: yaml.Node, problems: Problems, name: str) -> int | None:
    """The value of an integer node, else None after a complaint."""
    if isinstance(node, yaml.ScalarNode) and node.tag == "tag:yaml.org,2002:int":
        try:
            return int(node.value)
        except ValueError:
            pass
    problems.add(node, f"'{name}:' must be a whole number")
    return None
