"""Text that a regex can't match without: most rules are dismissed by a substring test instead of a regex search.

Built on the parser of Python's own `re`. Whatever it doesn't understand gives no literals, and the regex is searched.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

try:  # Python 3.11 moved the parser; there is no public one
    from re import _constants as constants  # type: ignore[attr-defined]
    from re import _parser as parser  # type: ignore[attr-defined]
except ImportError:  # pragma: py310
    import sre_constants as constants
    import sre_parse as parser

__all__ = ["constants", "parser", "required_literals"]

_MAX_ALTERNATIVES = 24


def required_literals(pattern: re.Pattern[str]) -> tuple[str, ...]:
    """Strings of which every match of `pattern` contains at least one; empty: nothing can be said."""
    if pattern.flags & re.IGNORECASE:
        return ()
    try:
        return _best(parser.parse(pattern.pattern, pattern.flags & ~re.UNICODE))
    except (re.error, RecursionError):
        return ()


def _best(items: Iterable[Any]) -> tuple[str, ...]:
    """The most selective any-of set among the parts of a sequence: the one whose shortest string is longest."""
    candidates: list[tuple[str, ...]] = []
    run = ""
    for op, argument in items:
        if op is constants.LITERAL:
            run += chr(argument)
            continue
        if run:
            candidates.append((run,))
            run = ""
        found = _of_part(op, argument)
        if found:
            candidates.append(found)
    if run:
        candidates.append((run,))
    return max(candidates, key=lambda any_of: (min(map(len, any_of)), -len(any_of)), default=())


def _of_part(op: Any, argument: Any) -> tuple[str, ...]:
    """The any-of set of one part that is no plain literal."""
    if op is constants.SUBPATTERN:  # (group, flags added, flags removed, items); (?i:...) matches more than its text
        return () if argument[1] & re.IGNORECASE else _best(argument[-1])
    if op in (constants.MAX_REPEAT, constants.MIN_REPEAT) and argument[0] >= 1:
        return _best(argument[2])
    if op is constants.ASSERT and argument[0] == 1:
        return _best(argument[1])
    if op is constants.BRANCH:
        branches = [_best(branch) for branch in argument[1]]
        merged = tuple(dict.fromkeys(text for any_of in branches for text in any_of))
        return merged if all(branches) and len(merged) <= _MAX_ALTERNATIVES else ()
    return ()
