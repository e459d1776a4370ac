"""A budget: conditions with the place where each is written, and what they are held against."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tcscope.analysis.budget.grammar import Expression, GrammarError, parse
from tcscope.analysis.budget.metrics import complaints
from tcscope.errors import ConfigError
from tcscope.model import Selection
from tcscope.model.check import Clause, Outcome

BUDGET_SCHEMA = "tcscope.budget/1"
OPTIONS = {Clause.FAIL_ON: "--fail-on", Clause.WARN_ON: "--warn-on", Clause.REQUIRE: "--require"}
HINT = "METRIC < | <= | > | >= VALUE, such as: tensor_share < baseline - 2pp"


@dataclass(frozen=True, slots=True)
class Entry:
    """A condition as written: in a file at a line and column, from 1 on, or in an option (`source`)."""

    text: str
    clause: Clause
    source: str
    expression: Expression
    line: int | None = None
    column: int | None = None

    @property
    def place(self) -> str:
        """`tcscope.yaml:4`, or the option."""
        return f"{self.source}:{self.line}" if self.line else self.source

    @property
    def outcome_if_broken(self) -> Outcome:
        """How it ends where it is broken."""
        return Outcome.WARNED if self.clause is Clause.WARN_ON else Outcome.FAILED


@dataclass(frozen=True, slots=True)
class Budget:
    """What a budget file says; paths are as seen from the current folder. All empty where there is no file."""

    file: str = ""
    entries: tuple[Entry, ...] = ()
    baseline: Path | None = None
    selection: Selection = Selection()  # noqa: RUF009 - frozen
    layers: Path | None = None
    history: Path | None = None


def read_entry(
    text: str, clause: Clause, source: str, line: int | None = None, column: int | None = None
) -> tuple[Entry | None, list[str]]:
    """The condition of a text, or None and what is wrong with it, each with its place."""
    try:
        parsed = parse(text)
        wrong = list(complaints(parsed))
    except GrammarError as error:
        wrong = [(error.at, error.message)]
    else:
        if not wrong:
            return Entry(text, clause, source, parsed.expression, line, column), []
    if line is None:
        return None, [f"{source} '{text}': {what} (column {at + 1})" for at, what in wrong]
    # within a text of several lines, or with escapes, only its beginning has a known place
    return None, [f"{source}:{line}:{(column or 1) + at}: {what}" for at, what in wrong]


def read_options(options: Iterable[tuple[Clause, Sequence[str]]]) -> tuple[Entry, ...]:
    """The conditions of the command line. Raises ConfigError with all that is wrong."""
    found: list[Entry] = []
    problems: list[str] = []
    for clause, texts in options:
        for text in texts:
            entry, wrong = read_entry(text, clause, OPTIONS[clause])
            problems += wrong
            found += [entry] if entry else []
    if problems:
        raise ConfigError(problems, HINT)
    return tuple(found)
