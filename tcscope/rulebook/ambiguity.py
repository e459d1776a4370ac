"""Regexes that can take exponential time: those in which a repeat can read one text in two ways.

A backtracking search tries all ways to read a text before it gives up. Where a loop of the regex's automaton leads from
a state back to it on two different paths for the same text, each round doubles their number (the criterion EDA of
Weber and Seidl, https://doi.org/10.1016/0304-3975(91)90381-B; for regexes: https://arxiv.org/abs/1405.5599). The
automaton is Glushkov's: a state for each character of the regex, and as many edges between two as there are ways from
one to the next. Look-arounds and back-references count as empty, large counts as endless.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from tcscope.rulebook.literals import constants, parser

_MOST_STATES = 400  # a larger automaton is not judged: its square is walked
_COPIES = 3  # of what is repeated a fixed number of times
_ENDLESS = 16  # a count from which on 2^count is beyond any time limit
_ALPHABET = [chr(code) for code in range(1, 256)]

Edges = Counter[tuple[int, int]]


@dataclass(slots=True)
class _Part:
    """A part of a regex: the states it can begin and end in, each way once, and in how many ways (0, 1, 2: many) it is
    empty."""

    first: list[int] = field(default_factory=list)
    last: list[int] = field(default_factory=list)
    empty: int = 1


class _TooLargeError(Exception):
    pass


def is_ambiguous(pattern: re.Pattern[str]) -> bool:
    """Whether some loop of the regex reads some text in two ways; False where the regex is too large to tell."""
    automaton = _Automaton(pattern.flags)
    try:
        automaton.sequence(parser.parse(pattern.pattern, pattern.flags & ~re.UNICODE))
    except (_TooLargeError, RecursionError, re.error):
        return False
    return automaton.is_ambiguous()


class _Automaton:
    """States are numbers; `reads` says which characters each one reads."""

    def __init__(self, flags: int) -> None:
        self.flags = flags
        self.reads: list[frozenset[str]] = []
        self.edges: Edges = Counter()

    def sequence(self, items: Iterable[Any]) -> _Part:
        whole = _Part()
        for op, argument in items:
            part = self._part(op, argument)
            self._connect(whole.last, part.first)
            whole = _Part(
                first=whole.first + part.first * whole.empty,
                last=part.last + whole.last * part.empty,
                empty=min(whole.empty * part.empty, 2),
            )
        return whole

    def is_ambiguous(self) -> bool:
        """Look for a state with two ways back to itself: on pairs of states that read the same characters."""
        after: dict[int, list[int]] = {}
        for source, target in self.edges:
            after.setdefault(source, []).append(target)
        components = _components(range(len(self.reads)), after)
        loops = {(a, b) for a, b in self.edges if components[a] == components[b]}
        if any(self.edges[edge] > 1 for edge in loops):
            return True
        inside = {state: [b for b in after.get(state, ()) if (state, b) in loops] for state in after}
        pairs: dict[tuple[int, int], list[tuple[int, int]]] = {}
        waiting = [(state, state) for state in inside]
        while waiting:
            pair = waiting.pop()
            if pair in pairs:
                continue
            pairs[pair] = [
                (a, b)
                for a in inside.get(pair[0], ())
                for b in inside.get(pair[1], ())
                if a == b or self.reads[a] & self.reads[b]
            ]
            waiting += pairs[pair]
            if len(pairs) > _MOST_STATES**2:
                return False
        found = _components(pairs, pairs)
        apart = {found[pair] for pair in pairs if pair[0] != pair[1]}
        return any(found[pair] in apart for pair in pairs if pair[0] == pair[1])

    def _connect(self, sources: Iterable[int], targets: list[int]) -> None:
        for source in sources:
            for target in targets:
                self.edges[source, target] += 1
        if len(self.edges) > 100 * _MOST_STATES:
            raise _TooLargeError

    def _part(self, op: Any, argument: Any) -> _Part:
        if op is constants.SUBPATTERN:
            return self.sequence(argument[-1])
        if op is getattr(constants, "ATOMIC_GROUP", None):
            return self.sequence(argument)
        if op is constants.BRANCH:
            branches = [self.sequence(branch) for branch in argument[1]]
            return _Part(
                [state for branch in branches for state in branch.first],
                [state for branch in branches for state in branch.last],
                min(sum(branch.empty for branch in branches), 2),
            )
        if op in (constants.MAX_REPEAT, constants.MIN_REPEAT):
            return self._repeat(*argument)
        characters = self._characters(op, argument)
        if characters is None:  # an anchor, a look-around, a back-reference
            return _Part()
        if len(self.reads) >= _MOST_STATES:
            raise _TooLargeError
        self.reads.append(characters)
        return _Part([len(self.reads) - 1], [len(self.reads) - 1], empty=0)

    def _repeat(self, least: int, most: int, items: Any) -> _Part:
        copies = [(constants.SUBPATTERN, (None, 0, 0, items))]
        if most == 1:
            part = self.sequence(items)
            return _Part(part.first, part.last, min(part.empty + (least == 0), 2))
        if most < _ENDLESS:
            part = self.sequence(copies * min(most, _COPIES))
            return _Part(part.first, part.last, 1 if least == 0 else part.empty)
        part = self.sequence(items)
        self._connect(part.last, part.first)
        return _Part(part.first, part.last, 1 if part.empty or least == 0 else 0)

    def _characters(self, op: Any, argument: Any) -> frozenset[str] | None:
        """What one step reads, of the first 255 characters: enough to tell whether two steps have one in common."""
        if op is constants.LITERAL:
            text = chr(argument)
            return frozenset((text.lower(), text.upper()) if self.flags & re.IGNORECASE else (text,))
        if op is constants.NOT_LITERAL:
            return frozenset(_ALPHABET) - {chr(argument)}
        if op is constants.ANY:
            return frozenset(_ALPHABET) if self.flags & re.DOTALL else frozenset(_ALPHABET) - {"\n"}
        if op is constants.IN:
            return frozenset(_of_set(argument))
        return None


def _of_set(items: list[Any]) -> Iterator[str]:
    negated = items[0][0] is constants.NEGATE
    inside: set[str] = set()
    for op, argument in items[1:] if negated else items:
        if op is constants.LITERAL:
            inside.add(chr(argument))
        elif op is constants.RANGE:
            inside.update(map(chr, range(argument[0], min(argument[1], argument[0] + 256) + 1)))
        elif op is constants.CATEGORY:
            name = str(argument).rpartition("_")[2].lower()
            letter = {"digit": "d", "word": "w", "space": "s"}[name]
            wanted = re.compile(f"\\{letter.upper() if '_NOT_' in str(argument) else letter}")
            inside.update(filter(wanted.match, _ALPHABET))
    yield from set(_ALPHABET) - inside if negated else inside


def _components(states: Iterable[Any], after: dict[Any, list[Any]]) -> dict[Any, int]:
    """The number of the strongly connected component of each state (Tarjan, without recursion)."""
    index: dict[Any, int] = {}
    low: dict[Any, int] = {}
    found: dict[Any, int] = {}
    stack: list[Any] = []
    for root in states:
        work = [(root, iter(after.get(root, ())))] if root not in index else []
        while work:
            state, following = work[-1]
            if state not in index:
                index[state] = low[state] = len(index)
                stack.append(state)
            for target in following:
                if target not in index:
                    work.append((target, iter(after.get(target, ()))))
                    break
                if target not in found:
                    low[state] = min(low[state], low[target])
            else:
                work.pop()
                if work:
                    low[work[-1][0]] = min(low[work[-1][0]], low[state])
                if low[state] == index[state]:
                    while True:
                        member = stack.pop()
                        found[member] = index[state]
                        if member == state:
                            break
    return found
