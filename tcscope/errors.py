"""What can go wrong, as a reader should hear it: what is wrong, then one thing to type."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import ClassVar


class TcscopeError(Exception):
    """An error with a remedy: `message` says what is wrong, `hint` one thing to type; the class has the exit code."""

    exit_code: ClassVar[int] = 2

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(TcscopeError):
    """The command can't be carried out as typed. Exit code 2."""


class ConfigError(TcscopeError):
    """A rule or configuration file is wrong; `problems` holds one `path:line: what` for each. Exit code 2."""

    def __init__(self, problems: Iterable[str], hint: str = "") -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems), hint)


class TraceError(TcscopeError):
    """The trace can't answer the question. Exit code 3."""

    exit_code = 3


class UnanswerableError(TraceError):
    """The trace can't answer some of what was asked; `problems` holds a sentence for each. Exit code 3."""

    def __init__(self, problems: Iterable[str], hint: str = "") -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems), hint)


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """`, did you mean 'X'?` for the known word nearest to `word`, or nothing."""
    near = difflib.get_close_matches(word, list(known), n=1)
    return f", did you mean '{near[0]}'?" if near else ""
