"""The order in which the layers of both engines run: that of the new one, with what only the base has in between."""

from __future__ import annotations

from collections.abc import Sequence

from tcscope.analysis.difference.match import Match
from tcscope.analysis.difference.sides import Item


def places(matches: Sequence[Match], base: Sequence[Item], new: Sequence[Item]) -> list[int]:
    """The place of each match. `base` and `new` are all items, each side in the order in which it ran.

    A match that only the base has stands before the next one of the base that both have.
    """
    at_base = {id(item): at for at, item in enumerate(base)}
    at_new = {id(item): at for at, item in enumerate(new)}
    firsts = [
        (
            min((at_base[id(item)] for item in match.base), default=None),
            min((at_new[id(item)] for item in match.new), default=None),
        )
        for match in matches
    ]
    anchor = {old: now for old, now in firsts if old is not None and now is not None}
    following: list[int] = [len(new)] * (len(base) + 1)
    for at in reversed(range(len(base))):
        following[at] = anchor.get(at, following[at + 1])

    def key(number: int) -> tuple[int, bool, int]:
        old, now = firsts[number]
        return (now, True, 0) if now is not None else (following[old or 0], False, old or 0)

    order = sorted(range(len(matches)), key=key)
    found = [0] * len(matches)
    for place, number in enumerate(order):
        found[number] = place
    return found
