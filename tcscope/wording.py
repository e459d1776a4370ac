"""Numbers and names as a person reads them: the same in every message and output."""

from __future__ import annotations

import re

# Control characters, what turns or hides text (marks of direction, blanks without width), and halves of characters.
_CONTROL = re.compile(
    r"[\x00-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff\ud800-\udfff]"
)

_BEYOND_ASCII = re.compile(r"[\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")  # the rest json escapes itself


def duration(ns: float) -> str:
    """A single time in the unit that suits it: `16.9 us`, `5.437 ms`, `17.824 s`."""
    for unit, size in (("s", 1e9), ("ms", 1e6)):
        if ns >= size:
            return f"{ns / size:.3f} {unit}"
    return f"{ns / 1e3:.1f} us" if ns >= 1e3 else f"{ns:.0f} ns"


def percent(share: float) -> str:
    """`64.3` for 0.643; a share that is not nothing never reads 0.0, one that is not all never 100.0."""
    text = f"{100 * share:.1f}"
    if share > 0 and text == "0.0":
        return "<0.1"
    return ">99.9" if share < 1 and text == "100.0" else text


def count(number: int, noun: str) -> str:
    """`1 launch`, `840 launches`."""
    plural = f"{noun}es" if noun.endswith("ch") else f"{noun[:-1]}ies" if noun.endswith("y") else f"{noun}s"
    return f"{number:,} {noun if number == 1 else plural}"


def json_text(text: str) -> str:
    """JSON text in which characters that steer a terminal are escaped: the same value, and safe to print."""
    return _BEYOND_ASCII.sub(lambda match: f"\\u{ord(match.group()):04x}", text)


def unsteered(text: str) -> str:
    """Lines of text, tabs and ends of lines kept, in which nothing else can steer a terminal."""
    return "\n".join("\t".join(map(plain, line.split("\t"))) for line in text.split("\n"))


def plain(name: str) -> str:
    """A name without control characters: each is shown as its escape, so that it can't steer a terminal."""
    return _CONTROL.sub(lambda match: match.group().encode("unicode_escape").decode("ascii"), name)
