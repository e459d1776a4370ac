"""What an export would tell of its machine: every text that slim would leave out, and telling ones among the rest."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field

from tcscope.model.leak import Leak
from tcscope.sources.nsys import tables as t
from tcscope.sources.nsys.database import Database
from tcscope.sources.nsys.slim.plan import KEPT, KEPT_NAMES, keeps_name
from tcscope.sources.nsys.slim.private import LONGEST, OTHER, is_harmless, kind_by_name, kind_of, machine_words

_UNUSED = "unreferenced string"
_THREAD_NAMES = (("ThreadNames", "nameId", "thread name"), ("PROCESSES", "nameId", "process name"))
_CONSTANTS = "ENUM_"  # how the exporter spells its own lists of words
_HOST = re.compile(r"host_?name|computer_?name|user_?name", re.I)


@dataclass(slots=True)
class _Found:
    """Leaks by (kind, place), with the first examples of each."""

    show: int
    counts: defaultdict[tuple[str, str], int] = field(default_factory=lambda: defaultdict(int))
    examples: defaultdict[tuple[str, str], list[str]] = field(default_factory=lambda: defaultdict(list))

    def add(self, kind: str | None, place: str, text: str, count: int = 1) -> None:
        if kind is None:
            return
        self.counts[kind, place] += count
        if len(self.examples[kind, place]) < self.show:
            self.examples[kind, place].append(text[:200])

    def leaks(self) -> tuple[Leak, ...]:
        ordered = sorted(self.counts.items(), key=lambda item: (item[0][1].partition(".")[0], -item[1], item[0]))
        return tuple(Leak(*key, count, tuple(self.examples[key])) for key, count in ordered)


def find_leaks(db: Database, show: int = 0) -> tuple[Leak, ...]:
    """What the file gives away, by place and kind, with up to `show` examples each. Empty: nothing was found."""
    found = _Found(show)
    machine = _machine(db)
    for table in sorted(db.tables):
        if table in KEPT_NAMES and db.has(table, "name", "value"):
            _pairs(db, table, machine, found)
        for column in _columns_with_text(db, table):
            if table in KEPT_NAMES and column in ("name", "value"):
                continue
            if table == t.STRINGS and column == "value":
                _strings(db, machine, found)
                continue
            listed = column in KEPT[table].texts if table in KEPT else table.startswith(_CONSTANTS)
            place = f"{table}.{column}"
            for text, count in _texts(db, table, column):
                kind = kind_of(text, machine)
                if kind is None and not listed and not is_harmless(text):
                    kind = kind_by_name(table, column)
                found.add(kind, place, text, count)
    for text in _statements(db):
        found.add(kind_of(text, machine), "schema", text)
    free = db.row("pragma freelist_count")[0]
    found.add("deleted content" if free else None, "free pages", "", free)
    return found.leaks()


def _pairs(db: Database, table: str, machine: re.Pattern[str] | None, found: _Found) -> None:
    """A table of names and values: of a property that stays what its value tells, of another any value."""
    for name, value in _name_values(db, table):
        stays = keeps_name(table, name)
        kind = kind_of(value, machine)
        if not stays and not is_harmless(value):
            by_name = kind_by_name(table, name)
            kind = by_name if by_name != OTHER else kind or OTHER
        found.add(kind, f"{table}.{'value' if kind == OTHER else name[:60]}", value)


def _strings(db: Database, machine: re.Pattern[str] | None, found: _Found) -> None:
    used = _referred(db, [(table, column) for table, kept in KEPT.items() for column in kept.strings])
    names = {string: kind for table, column, kind in _THREAD_NAMES for string in _referred(db, [(table, column)])}
    place = f"{t.STRINGS}.value"
    for string, text in db.rows(f"select id, {_cut('value')} from {t.STRINGS} where length(value) > 0"):
        kind = kind_of(_text(text), machine)
        found.add(kind if string in used else kind or names.get(string, _UNUSED), place, _text(text))


def _referred(db: Database, places: list[tuple[str, str]]) -> set[object]:
    ids: set[object] = set()
    for table, column in places:
        if db.has(table, column):
            ids.update(row[0] for row in db.rows(f"select distinct {column} from {table}"))
    return ids


def _columns_with_text(db: Database, table: str) -> list[str]:
    """The columns of a table that hold texts or blobs, whatever they were declared to hold; one look at each row."""
    columns = sorted(db.tables[table])
    if not columns:
        return []
    held = []
    for first in range(0, len(columns), 500):  # SQLite takes 2000 columns in an answer
        some = columns[first : first + 500]
        tests = ", ".join(f"max(typeof({_quoted(name)}) in ('text', 'blob'))" for name in some)
        row = db.row(f"select {tests} from {_quoted(table)}")
        held += [name for name, has in zip(some, row, strict=True) if has]
    return held


def _texts(db: Database, table: str, column: str) -> Iterator[tuple[str, int]]:
    name = _quoted(column)
    rows = db.rows(
        f"select {_cut(name)}, count(*) from {_quoted(table)}"
        f" where typeof({name}) in ('text', 'blob') and length({name}) > 0 group by 1"
    )
    return ((_text(value), int(count)) for value, count in rows)


def _name_values(db: Database, table: str) -> list[tuple[str, str]]:
    rows = db.rows(f"select {_cut('name')}, {_cut('value')} from {table}")
    return [(_text(name), _text(value)) for name, value in rows]


def _machine(db: Database) -> re.Pattern[str] | None:
    """The words by which this export names its host and user."""
    pairs = [pair for table in KEPT_NAMES if db.has(table, "name", "value") for pair in _name_values(db, table)]
    return machine_words((value for _, value in pairs), (value for name, value in pairs if _HOST.search(name)))


def _statements(db: Database) -> list[str]:
    return [_text(row[0]) for row in db.rows(f"select {_cut('sql')} from sqlite_master where sql is not null")]


def _cut(name: str) -> str:
    """SQL for as much of a value as is looked at."""
    return f"substr({name}, 1, {LONGEST + 1})"


def _text(value: object) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else "" if value is None else str(value)


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
