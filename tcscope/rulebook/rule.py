"""One rule: which names it claims, what it says of them, and its own proof."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TypeVar

from tcscope.model import Accumulate, Dtype, Evidence, Op, Precision, Unit, Verdict, Word
from tcscope.rulebook.limited import LimitedPattern
from tcscope.rulebook.tokens import TokenTables

FIELD_WORDS: dict[str, type[Word]] = {
    "precision": Precision,
    "accumulate": Accumulate,
    "op": Op,
    "src": Dtype,
    "dst": Dtype,
}
DEFAULT_TABLE = {"src": "dtype", "dst": "dtype"}


@dataclass(frozen=True, slots=True)
class Reference:
    """`$group` or `$group:table`: a named group's text, looked up in a token table."""

    group: str
    table: str


Choice = Word | Reference
W = TypeVar("W", bound=Word)


@dataclass(frozen=True, slots=True)
class Example:
    """A name the rule claims, and the fields (as text) that it must give it."""

    name: str
    sm: int | None
    expect: dict[str, str]
    line: int


@dataclass(frozen=True, slots=True)
class CounterExample:
    """A near miss, and the id of the rule that claims it (None: nobody)."""

    name: str
    sm: int | None
    claimed_by: str | None
    line: int


@dataclass(frozen=True, slots=True)
class Rule:
    """A typed rule. `fields` holds for each of precision, accumulate, op, src, dst the choices to try in order."""

    id: str
    title: str
    against: str
    pattern: re.Pattern[str]
    literals: tuple[str, ...]
    unit: Unit
    fields: dict[str, tuple[Choice, ...]]
    sm_min: int | None
    sm_max: int | None
    evidence: Evidence
    source: str
    examples: tuple[Example, ...]
    counter_examples: tuple[CounterExample, ...]
    path: str
    line: int
    limited: LimitedPattern | None = None  # the same regex under a time limit, where the rule is a user's

    @property
    def has_arch(self) -> bool:
        """Whether the rule holds on some architectures only."""
        return self.sm_min is not None or self.sm_max is not None

    def applies_to(self, sm: int) -> bool:
        """Whether the rule holds on this architecture."""
        return (self.sm_min is None or sm >= self.sm_min) and (self.sm_max is None or sm <= self.sm_max)

    def search(self, text: str) -> re.Match[str] | None:
        """The rule's match in a name's spelling, if any."""
        if self.literals and not any(literal in text for literal in self.literals):
            return None
        return (self.limited or self.pattern).search(text)

    def verdict(self, match: re.Match[str], tokens: TokenTables) -> Verdict:
        """What the rule says of a name it matched."""
        said = {name: _first_known(choices, match, tokens) for name, choices in self.fields.items()}
        return Verdict(
            unit=self.unit,
            precision=_as(Precision, said.get("precision")) or Precision.UNKNOWN,
            accumulate=_as(Accumulate, said.get("accumulate")),
            op=_as(Op, said.get("op")) or Op.UNKNOWN,
            rule=self.id,
            evidence=self.evidence,
            source=self.source,
            src=_as(Dtype, said.get("src")),
            dst=_as(Dtype, said.get("dst")),
        )


def _first_known(choices: tuple[Choice, ...], match: re.Match[str], tokens: TokenTables) -> Word | None:
    for choice in choices:
        if isinstance(choice, Word):
            return choice
        text = match.group(choice.group)
        word = tokens.look_up(choice.table, text) if text is not None else None
        if word is not None:
            return word
    return None


def _as(kind: type[W], word: Word | None) -> W | None:
    return word if isinstance(word, kind) else None
