"""[tool.tcscope] of a pyproject.toml as the nodes of a YAML file, so that one reader reads both.

The TOML reader of Python tells no lines: they are found again in the text of the table.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tcscope.errors import UsageError
from tcscope.rulebook.yamlfile import Problems

if TYPE_CHECKING:
    import yaml

_MOST_BYTES = 1_000_000
_TABLE = re.compile(r"^\s*\[\s*(?P<name>[^]]*?)\s*\]")
_PLACE = re.compile(r"(?P<what>.*?) ?\(at (?:line (?P<line>\d+), column \d+|end of document)\)", re.DOTALL)
_TAGS = {str: "str", bool: "bool", int: "int", float: "float"}


def compose_toml(path: Path, problems: Problems) -> yaml.MappingNode | None:
    """The table as a mapping node; None where there is none, or after a complaint. Raises UsageError."""
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib

    try:
        if path.stat().st_size > _MOST_BYTES:
            problems.found.append(f"{path}:1: is larger than {_MOST_BYTES // 1_000_000} MB")
            return None
        text = path.read_text(encoding="utf-8")
        data = tomllib.loads(text)
    except OSError as error:
        raise UsageError(f"can't read {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        problems.found.append(f"{path}:1: not UTF-8 text (byte {error.start})")
        return None
    except tomllib.TOMLDecodeError as error:
        match = _PLACE.fullmatch(str(error))
        line = match["line"] if match and match["line"] else str(text.count("\n") + 1)
        problems.found.append(f"{path}:{line}: not TOML: {match['what'] if match else error}")
        return None
    except (RecursionError, ValueError) as error:  # of the reader: a value too deep, or a number of too many digits
        what = "nested too deep" if isinstance(error, RecursionError) else "a number has too many digits"
        problems.found.append(f"{path}:1: not TOML that can be read: {what}")
        return None
    tools = data.get("tool", {})
    table = tools.get("tcscope") if isinstance(tools, dict) else None
    if table is None:
        return None
    if not isinstance(table, dict):
        problems.found.append(f"{path}:1: 'tool.tcscope' must be a table")
        return None
    return _Nodes(text).mapping(table)


class _Nodes:
    """Makes nodes of values, each at the next place in the table where its text stands."""

    def __init__(self, text: str) -> None:
        self.lines = text.splitlines()
        names = [match["name"].replace(" ", "") if (match := _TABLE.match(line)) else None for line in self.lines]
        self.first = names.index("tool.tcscope") if "tool.tcscope" in names else 0
        after = (at for at in range(self.first + 1, len(names)) if names[at] is not None)
        self.last = next(after, len(names)) if "tool.tcscope" in names else len(names)
        self.used: set[tuple[int, int]] = set()

    def mapping(self, table: dict[str, Any]) -> yaml.MappingNode:
        import yaml

        pairs = []
        for key, value in table.items():
            place = self._place([rf"(?<![\w.-]){re.escape(key)}\s*=", re.escape(key)]) or (self.first, 0)
            name = yaml.ScalarNode("tag:yaml.org,2002:str", key, self._mark(place), self._mark(place))
            pairs.append((name, self._node(value, place)))
        top = self._mark((self.first, 0))
        return yaml.MappingNode("tag:yaml.org,2002:map", pairs, top, top)

    def _node(self, value: Any, near: tuple[int, int]) -> yaml.Node:
        import yaml

        mark = self._mark(near)
        if isinstance(value, list):
            return yaml.SequenceNode("tag:yaml.org,2002:seq", [self._node(v, near) for v in value], mark, mark)
        if isinstance(value, dict):  # no key takes one; its text may be too deep to spell
            return yaml.MappingNode("tag:yaml.org,2002:map", [], mark, mark)
        if not isinstance(value, str):
            try:
                spelled, tag = str(value), _TAGS.get(type(value), "map")
            except ValueError:  # 0xff... of more digits than Python spells
                spelled, tag = "a number of too many digits", "str"
            return yaml.ScalarNode(f"tag:yaml.org,2002:{tag}", spelled, mark, mark)
        quoted = [re.escape(quote + value + quote) for quote in ("'", '"')]
        place = self._place([*quoted, re.escape(json.dumps(value, ensure_ascii=False)), re.escape(value)], near)
        mark = self._mark(place or near)
        return yaml.ScalarNode("tag:yaml.org,2002:str", value, mark, mark, style='"')

    def _place(self, patterns: list[str], after: tuple[int, int] = (0, 0)) -> tuple[int, int] | None:
        for pattern in patterns:
            for row in range(max(self.first, after[0]), self.last):
                for match in re.finditer(pattern, self.lines[row]):
                    if (row, match.start()) not in self.used and (row, match.start()) >= after:
                        self.used.add((row, match.start()))
                        return row, match.start()
        return None

    def _mark(self, place: tuple[int, int]) -> yaml.Mark:
        import yaml

        return yaml.Mark("", 0, place[0], place[1], None, 0)
