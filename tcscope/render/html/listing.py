"""Long lists: what a page shows without JavaScript, and the rest, packed for the script to unpack."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from tcscope.render.html.site import environment, packed

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Listing(Generic[T]):
    """Entries with their numbers: those `shown` in the page itself, and the markup of the `hidden` ones, packed."""

    shown: tuple[tuple[int, T], ...]
    hidden: int = 0
    rest: str = ""

    @property
    def total(self) -> int:
        """Entries in all."""
        return len(self.shown) + self.hidden


def listing(entries: Sequence[T], sizes: Sequence[int], room: int, macro: str, **values: Any) -> Listing[T]:
    """Show the `room` largest entries, in their order; the rest is what `macro(number, entry, page)` writes of them.

    `values` are what the macro finds in `page`.
    """
    numbered = list(enumerate(entries))
    if len(numbered) <= room:
        return Listing(tuple(numbered))
    largest = set(sorted(range(len(numbered)), key=lambda at: -sizes[at])[:room])
    write = getattr(environment().get_template("parts.html").module, macro)
    rest = "".join(str(write(at, entry, values)) for at, entry in numbered if at not in largest)
    return Listing(tuple(pair for pair in numbered if pair[0] in largest), len(numbered) - room, packed(rest))
