"""Regexes of a user's rule files, searched under a time limit: Python's own `re` can't be interrupted.

The `regex` package has the syntax of `re` and a timeout: https://pypi.org/project/regex/. It is imported when a user's
rules are; the built-in rules, which the tests know, are searched by `re`.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from typing import Any

from tcscope.errors import ConfigError

SECONDS = 1.0  # a hundred thousand times what a search in a kernel's name takes


class LimitedPattern:
    """A regex whose searches raise ConfigError after SECONDS; `place` is its `path:line` in that message."""

    __slots__ = ("_pattern", "place", "source")

    def __init__(self, source: str, place: str) -> None:
        import regex

        self.source = source
        self.place = place
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # `re` has said it already
            try:
                self._pattern: Any = regex.compile(source)
            except (regex.error, ValueError, OverflowError, RecursionError) as error:
                raise re.error(str(error)) from error

    def search(self, text: str) -> re.Match[str] | None:
        """The first match."""
        try:
            found: re.Match[str] | None = self._pattern.search(text, timeout=SECONDS)
        except TimeoutError as error:
            raise self._too_slow(text) from error
        return found

    def finditer(self, text: str) -> Iterator[re.Match[str]]:
        """All matches, within the same limit."""
        try:
            yield from list(self._pattern.finditer(text, timeout=SECONDS))
        except TimeoutError as error:
            raise self._too_slow(text) from error

    def _too_slow(self, text: str) -> ConfigError:
        name = text if len(text) <= 60 else f"{text[:57]}..."
        return ConfigError(
            [f"{self.place}: regex took more than {SECONDS:g} s on the name {name!r}"],
            "nested repeats such as (a+)+ are what takes long; `tcscope rules test` finds them",
        )


Pattern = re.Pattern[str] | LimitedPattern


def compiled(source: str) -> re.Pattern[str]:
    """A regex of Python's `re`. Raises re.error, also where `re` itself gives up in another way."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return re.compile(source)
        except (OverflowError, RecursionError) as error:
            raise re.error(str(error)) from error
