"""Rule files to typed rules. Every complaint has its file and line, and all of them come at once."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from tcscope.data import rules_dir
from tcscope.errors import ConfigError, UsageError, did_you_mean
from tcscope.model import Evidence, Unit
from tcscope.rulebook.limited import LimitedPattern, compiled
from tcscope.rulebook.literals import required_literals
from tcscope.rulebook.rule import DEFAULT_TABLE, FIELD_WORDS, Choice, CounterExample, Example, Reference, Rule, W
from tcscope.rulebook.tokens import SCHEMA as TOKENS_SCHEMA
from tcscope.rulebook.tokens import TABLE_WORDS, TokenTables, read_tokens
from tcscope.rulebook.yamlfile import Fields, Problems, compose, scalar_int, scalar_text

SCHEMA = "tcscope.rules/1"
OTHER_SCHEMAS = ("tcscope.hardware/1", "tcscope.layer-types/1", "tcscope.counters/1", "tcscope.instructions/1")
AGAINST = ("demangled", "short", "mangled")

_FILE_KEYS = ("schema", "about", "rules")
_RULE_KEYS = ("id", "title", "match", "unit", *FIELD_WORDS, "arch", "evidence", "examples", "counter_examples")
_ID = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_REFERENCE = re.compile(r"\$(\w+)(?::([\w-]+))?")


def rule_files(paths: Iterable[Path]) -> list[Path]:
    """The YAML files that rule paths mean: a folder's `*.yaml` in name order, or the file itself."""
    files: list[Path] = []
    for path in paths:
        try:
            path.stat()
        except (OSError, ValueError) as error:  # the second: a zero byte in the name
            hint = "give --rules a .yaml file, or a folder of them"
            if isinstance(error, FileNotFoundError) or not isinstance(error, OSError):
                raise UsageError(f"no such rule file: {path}", hint) from error
            raise UsageError(f"can't read {path}: {error.strerror}", hint) from error
        if path.is_dir():
            found = sorted(path.glob("*.yaml"))
            if not found:
                raise UsageError(f"no *.yaml file in {path}", "see `tcscope rules --help` for what a rule file holds")
            files += found
        else:
            files.append(path)
    return files


def load_rules(files: Sequence[Path]) -> tuple[list[Rule], TokenTables]:
    """The rules of all files in order, and their token tables merged (the first file's word counts).

    Raises ConfigError with every problem of every file.
    """
    rules: list[Rule] = []
    tokens = TokenTables()
    readers: list[_RuleReader] = []
    complaints: list[Problems] = []
    builtin = rules_dir()
    for path in files:
        problems = Problems(_label(path), trusted=path.parent == builtin)
        complaints.append(problems)
        root = compose(path, problems)
        schema = _schema_of(root)
        if root is None or schema in OTHER_SCHEMAS:
            continue
        if schema == TOKENS_SCHEMA:
            tokens.extend(read_tokens(root, problems))
        elif schema == SCHEMA:
            fields = Fields(root, problems, _FILE_KEYS)
            fields.text("about", required=True)
            readers += [_RuleReader(entry, problems) for entry in fields.mappings("rules", _RULE_KEYS)]
        else:
            what = f"'schema: {schema}' is not known" if schema else "'schema:' is missing"
            problems.add(root, f"{what}; a rule file begins with 'schema: {SCHEMA}'")
    first: dict[str, Rule] = {}
    for reader in readers:
        rule = reader.read(tokens)
        if rule is None:
            continue
        if rule.id in first:
            earlier = first[rule.id]
            reader.problems.add(reader.fields.node, f"id '{rule.id}' is taken by {earlier.path}:{earlier.line}")
        first.setdefault(rule.id, rule)
        rules.append(rule)
    found = [line for problems in complaints for line in problems.found]
    if found:
        raise ConfigError(found, "correct these lines, then run `tcscope rules test`")
    return rules, tokens


def _label(path: Path) -> str:
    """How a file is called in messages: built-in ones by their place in tcscope, a user's as it was given."""
    builtin = rules_dir()
    return f"{builtin.name}/{path.name}" if path.parent == builtin else str(path)


def _schema_of(root: yaml.MappingNode | None) -> str:
    pairs = root.value if root is not None else []
    return next((str(value.value) for key, value in pairs if key.value == "schema"), "")


@dataclass(slots=True)
class _RuleReader:
    """Reads one rule; what is wrong goes to `problems`, and a rule without a pattern is not made."""

    fields: Fields
    problems: Problems

    def read(self, tokens: TokenTables) -> Rule | None:
        fields, count = self.fields, len(self.problems.found)
        rule_id = fields.text("id", required=True)
        if rule_id and not _ID.fullmatch(rule_id):
            self._complain("id", f"id '{rule_id}' must be kebab-case: lower-case words and digits joined by '-'")
        against, pattern = self._match()
        choices = {name: self._choices(name, pattern, tokens) for name in FIELD_WORDS if fields.node_of(name)}
        self._groups_in_use(pattern, choices)
        if not fields.node_of("op"):
            self._complain("id", "'op:' is missing")
        arch = fields.mapping("arch", ("min", "max"))
        evidence = fields.mapping("evidence", ("level", "source"), required=True)
        level = self._word(evidence, "level", Evidence) if evidence else None
        source = evidence.text("source", required=True) if evidence else ""
        unit = self._word(fields, "unit", Unit)
        sm_min, sm_max = self._sm(arch, "min"), self._sm(arch, "max")
        examples, near_misses = tuple(self._examples()), tuple(self._counter_examples())
        title = fields.text("title", required=True)
        limited = self._limited(pattern)
        if pattern is None or len(self.problems.found) > count:
            return None
        return Rule(
            id=rule_id,
            title=title,
            against=against,
            pattern=pattern,
            limited=limited,
            literals=required_literals(pattern),
            unit=unit or Unit.UNKNOWN,
            fields=choices,
            sm_min=sm_min,
            sm_max=sm_max,
            evidence=level or Evidence.NONE,
            source=source,
            examples=examples,
            counter_examples=near_misses,
            path=self.problems.path,
            line=fields.node.start_mark.line + 1,
        )

    def _complain(self, name: str, what: str) -> None:
        self.problems.add(self.fields.node_of(name) or self.fields.node, what)

    def _match(self) -> tuple[str, re.Pattern[str] | None]:
        match = self.fields.mapping("match", ("against", "regex"), required=True)
        if match is None:
            return AGAINST[0], None
        against = match.text("against") or AGAINST[0]
        if against not in AGAINST:
            self.problems.add(match.node_of("against"), f"'against: {against}' is none of {', '.join(AGAINST)}")
        source = match.text("regex", required=True)
        if not source:
            return against, None
        try:
            return against, compiled(source)
        except re.error as error:
            self.problems.add(match.node_of("regex"), f"regex does not compile: {error}")
            return against, None

    def _limited(self, pattern: re.Pattern[str] | None) -> LimitedPattern | None:
        """The same regex under a time limit, for files that don't ship with tcscope."""
        if pattern is None or self.problems.trusted:
            return None
        try:
            return LimitedPattern(pattern.pattern, f"{self.problems.path}:{self.fields.node.start_mark.line + 1}")
        except re.error as error:
            self._complain("match", f"regex does not compile: {error}")
            return None

    def _groups_in_use(self, pattern: re.Pattern[str] | None, choices: dict[str, tuple[Choice, ...]]) -> None:
        used = {choice.group for tried in choices.values() for choice in tried if isinstance(choice, Reference)}
        for group in pattern.groupindex if pattern is not None else ():
            if group not in used:
                self._complain("match", f"group (?P<{group}>...) is used by no field; write (?:...) or '${group}'")

    def _word(self, fields: Fields, name: str, kind: type[W]) -> W | None:
        text = fields.text(name, required=True)
        return self._as_word(fields.node_of(name), text, kind) if text else None

    def _as_word(self, node: yaml.Node | None, text: str, kind: type[W]) -> W | None:
        try:
            return kind(text)
        except ValueError:
            label = kind.__name__.lower()
            guess = did_you_mean(text, kind) or f"; one of {', '.join(kind)}"
            self.problems.add(node, f"'{text}' is no {label}{guess}")
            return None

    def _choices(self, name: str, pattern: re.Pattern[str] | None, tokens: TokenTables) -> tuple[Choice, ...]:
        node = self.fields.node_of(name)
        nodes = node.value if isinstance(node, yaml.SequenceNode) else [node] if node is not None else []
        found = [self._choice(name, entry, pattern, tokens) for entry in nodes]
        return tuple(choice for choice in found if choice is not None)

    def _choice(
        self, name: str, node: yaml.Node, pattern: re.Pattern[str] | None, tokens: TokenTables
    ) -> Choice | None:
        text = scalar_text(node, self.problems, name)
        if not text.startswith("$"):
            return self._as_word(node, text, FIELD_WORDS[name]) if text else None
        reference = _REFERENCE.fullmatch(text)
        if reference is None:
            self.problems.add(node, f"'{text}' must read $group or $group:table")
            return None
        group, table = reference.group(1), reference.group(2) or DEFAULT_TABLE.get(name, name)
        if pattern is not None and group not in pattern.groupindex:
            self.problems.add(node, f"the regex has no group (?P<{group}>...){did_you_mean(group, pattern.groupindex)}")
        if table not in tokens.tables:
            self.problems.add(node, f"no token table '{table}'{did_you_mean(table, tokens.tables)}")
        elif TABLE_WORDS[table.split("-", 1)[0]] is not FIELD_WORDS[name]:
            self.problems.add(node, f"token table '{table}' does not give a {name}")
        return Reference(group, table)

    def _sm(self, arch: Fields | None, name: str) -> int | None:
        node = arch.node_of(name) if arch else None
        return scalar_int(node, self.problems, name) if node is not None else None

    def _examples(self) -> Iterable[Example]:
        for entry in self.fields.mappings("examples", ("name", "sm", "expect")):
            name = entry.text("name", required=True)
            expect = entry.mapping("expect", ("unit", *FIELD_WORDS))
            said = {key: expect.text(key) for key in ("unit", *FIELD_WORDS) if expect and expect.node_of(key)}
            yield Example(name, self._sm(entry, "sm"), said, entry.node.start_mark.line + 1)

    def _counter_examples(self) -> Iterable[CounterExample]:
        for entry in self.fields.mappings("counter_examples", ("name", "sm", "claimed_by")):
            name, node = entry.text("name", required=True), entry.node_of("claimed_by")
            if node is None:
                self.problems.add(entry.node, "'claimed_by:' is missing (a rule's id, or null: nobody)")
            is_null = isinstance(node, yaml.ScalarNode) and node.tag == "tag:yaml.org,2002:null"
            winner = None if is_null or node is None else scalar_text(node, self.problems, "claimed_by")
            yield CounterExample(name, self._sm(entry, "sm"), winner, entry.node.start_mark.line + 1)
