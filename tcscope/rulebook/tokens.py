"""Token tables and the glossary: what the parts of kernel names mean, read from files of schema `tcscope.tokens/1`."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

import yaml

from tcscope.model import Accumulate, Dtype, Op, Precision, Word
from tcscope.rulebook.limited import LimitedPattern, Pattern, compiled
from tcscope.rulebook.yamlfile import Fields, Problems, scalar_text

SCHEMA = "tcscope.tokens/1"
TABLE_WORDS: dict[str, type[Word]] = {
    "precision": Precision,
    "accumulate": Accumulate,
    "op": Op,
    "dtype": Dtype,
}


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a token of a kernel name means."""

    token: str
    means: str


@dataclass(slots=True)
class TokenTables:
    """Tables from a token's text to a word, a glossary of (pattern, meaning) for people, and the cues of long names."""

    tables: dict[str, dict[str, Word]] = field(default_factory=dict)
    glossary: list[tuple[Pattern, str]] = field(default_factory=list)
    cues: list[Pattern] = field(default_factory=list)

    def look_up(self, table: str, token: str) -> Word | None:
        """The word a token stands for in a table; None where the table doesn't have it."""
        return self.tables.get(table, {}).get(token)

    def extend(self, other: TokenTables) -> None:
        """Add another file's tables behind these: what is already known stays."""
        for name, table in other.tables.items():
            self.tables[name] = table | self.tables.get(name, {})
        self.glossary += other.glossary
        self.cues += other.cues

    def cue(self, name: str) -> str:
        """The part of a name that tells most about its instructions, to be kept when the name is cut; or nothing."""
        matches = (pattern.search(name) for pattern in self.cues)
        return next((match.group() for match in matches if match), "")

    def decode(self, name: str) -> list[Meaning]:
        """The tokens of a name that the glossary knows, in the order in which they stand in it."""
        found: dict[tuple[int, int], Meaning] = {}
        for pattern, means in self.glossary:
            for match in pattern.finditer(name):
                found.setdefault(match.span(), Meaning(match.group(), match.expand(means)))
        return [found[span] for span in sorted(found)]


def read_tokens(root: yaml.MappingNode, problems: Problems) -> TokenTables:
    """The tables and glossary of one tokens file; what is wrong goes to `problems`."""
    tokens = TokenTables()
    fields = Fields(root, problems, ("schema", "about", "tables", "glossary", "cues"))
    tables = fields.node_of("tables")
    if isinstance(tables, yaml.MappingNode):
        for key, node in tables.value:
            tokens.tables[key.value] = _read_table(key, node, problems)
    for entry in fields.mappings("glossary", ("token", "means")):
        source, means = entry.text("token", required=True), entry.text("means", required=True)
        pattern = _pattern(entry.node, source, problems)
        if pattern is not None and _expands(entry.node, pattern, means, problems):
            tokens.glossary.append((pattern, means))
    for node in fields.items("cues"):
        source = scalar_text(node, problems, "cues")
        pattern = _pattern(node, source, problems)
        if pattern is not None:
            tokens.cues.append(pattern)
    return tokens


def _pattern(node: yaml.Node, source: str, problems: Problems) -> Pattern | None:
    """The regex of a token, under a time limit in a user's file; None after a complaint."""
    try:
        pattern = compiled(source)
        return pattern if problems.trusted else LimitedPattern(source, f"{problems.path}:{node.start_mark.line + 1}")
    except re.error as error:
        problems.add(node, f"token is no regex: {error}")
        return None


def _expands(node: yaml.Node, pattern: Pattern, means: str, problems: Problems) -> bool:
    """Whether a meaning refers to groups that its regex has."""
    if "\\" not in means:
        return True
    source = pattern.source if isinstance(pattern, LimitedPattern) else pattern.pattern
    try:
        re.compile(f"(?:{source})|").sub(means, "")
    except (re.error, IndexError) as error:
        problems.add(node, f"'means:' does not fit its token: {error}")
        return False
    return True


def _read_table(key: yaml.Node, node: yaml.Node, problems: Problems) -> dict[str, Word]:
    """One table; its words are those of the field it is named after (`accumulate`, or `accumulate-of-mma`)."""
    kind = TABLE_WORDS.get(str(key.value).split("-", 1)[0])
    if kind is None or not isinstance(node, yaml.MappingNode):
        problems.add(key, f"a table is a mapping named {', '.join(TABLE_WORDS)}, or one of these and -SUFFIX")
        return {}
    table: dict[str, Word] = {}
    for token_node, word_node in node.value:
        token = scalar_text(token_node, problems, "token")
        word = scalar_text(word_node, problems, token)
        if token in table:
            problems.add(token_node, f"token '{token}' is given twice")
        elif word:
            try:
                table[token] = kind(word)
            except ValueError:
                problems.add(word_node, f"'{word}' is no {kind.__name__.lower()}: {', '.join(kind)}")
    return table
