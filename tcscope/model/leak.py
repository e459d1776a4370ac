"""What a file would tell of the machine it was recorded on."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Leak:
    """Values of one kind (`environment`, `path`, ...) at one place (`TABLE.column`), and how many there are.

    `examples` is empty unless values were asked for: an example on a build server's page is a leak itself.
    """

    kind: str
    place: str
    count: int
    examples: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Slimmed:
    """What was written: sizes in bytes before and after, rows a table, and what the reader should know.

    `unplaced` launches were left out because the trace lacks their launch call; `telling` texts of ranges and kernels
    look like paths, hosts or users and were copied.
    """

    bytes_before: int
    bytes_after: int
    rows: tuple[tuple[str, int], ...]
    instances: int | None = None
    unplaced: int = 0
    telling: int = 0
