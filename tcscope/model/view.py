"""A view: one table of a report, ready to be shown in any format."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from tcscope.model.words import Word


class Kind(Word):
    """How the values of a column read, and where: tags, names and prose stand below the numbers where there's room."""

    TEXT = "text"
    COUNT = "count"
    SHARE = "share"  # 0..1, shown as per cent
    MS = "ms"  # ns, shown in ms
    US = "us"  # ns, shown in us
    TAG = "tag"  # in parentheses before a name
    KERNEL = "kernel"  # a kernel's name or
    LAYER = "layer"  # a layer's: what may be cut
    PROSE = "prose"  # sentences


@dataclass(frozen=True, slots=True)
class Column:
    """A column by its title and kind. `key` names it in CSV, where times are in ns and shares 0..1."""

    title: str
    key: str
    kind: Kind = Kind.TEXT


Value = str | int | float | None


@dataclass(frozen=True, slots=True)
class View:
    """A table with what a reader must know first; a row has a value for each column, None where it isn't known.

    `cues` holds for a name the part of it that must be seen where the name is cut.
    """

    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Value, ...], ...]
    notes: tuple[str, ...] = ()
    cues: Mapping[str, str] = field(default_factory=dict)
