"""A read-only window on an nsys SQLite export: what is there is probed, never assumed, and nothing is ever written."""

from __future__ import annotations

import os
import shlex
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import quote

from tcscope.errors import TraceError
from tcscope.sources.nsys.tables import STRINGS, nameless

MAGIC = b"SQLite format 3\x00"
_LONGEST = 50_000_000  # bytes of one text: a hundred times the longest name of a kernel ever met
_AGAIN = "copy the file again, or export it again with `nsys export --type sqlite FILE.nsys-rep`"
_WAL = 2  # value of header bytes 18 and 19: https://www.sqlite.org/fileformat.html#file_format_version_numbers


class Database:
    """One export, opened with SQLite's `mode=ro`. Errors of a damaged file become TraceError.

    `path` is the user's file, which messages name; `copy` is where its SQLite export lies if that is another file.
    """

    def __init__(self, path: Path, copy: Path | None = None) -> None:
        self.path = path
        self._file = copy or path
        self.connection = self.connect()

    @property
    def uri(self) -> str:
        """By which SQLite opens the file read-only."""
        return _uri(self._file)

    @property
    def size(self) -> int:
        """Bytes of the export."""
        return self._file.stat().st_size

    def connect(self) -> sqlite3.Connection:
        """A connection of one's own, for one thread at a time."""
        connection = sqlite3.connect(self.uri, uri=True, check_same_thread=False, timeout=1)
        if hasattr(connection, "setlimit"):  # Python 3.11
            connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _LONGEST)
        connection.text_factory = _decode
        connection.execute("pragma trusted_schema = off")  # what the file calls runs with no rights of ours
        return connection

    def close(self) -> None:
        """Let go of the file."""
        self.connection.close()

    @cached_property
    def tables(self) -> dict[str, frozenset[str]]:
        """Each table's columns. An export makes only the tables it has rows for."""
        with self.damage_told():
            # a view or a virtual table runs what its maker wrote; a table proper has a page of its own
            listed = "select name from sqlite_master where type = 'table' and rootpage > 0"
            names = [row[0] for row in self.connection.execute(listed)]
            return {name: self._columns(name) for name in names}

    def has(self, table: str, *columns: str) -> bool:
        """Whether the export has a table with these columns."""
        return table in self.tables and self.tables[table].issuperset(columns)

    def column(self, table: str, column: str, default: str = "null") -> str:
        """SQL that reads a column, or `default` where this export's table lacks it."""
        return f'"{column}"' if self.has(table, column) else default

    def rows(self, sql: str, parameters: Sequence[Any] = ()) -> Iterator[tuple[Any, ...]]:
        """The rows of a query, one at a time."""
        with self.damage_told():
            for row in self.connection.execute(sql, parameters):  # noqa: UP028 - that would close the cursor, too late
                yield row

    def row(self, sql: str, parameters: Sequence[Any] = ()) -> tuple[Any, ...]:
        """The first row of a query that always gives one."""
        return next(self.rows(sql, parameters))

    def strings(self, ids: Iterable[int]) -> dict[int, str]:
        """The texts of string ids, as far as the export has them."""
        if not self.has(STRINGS, "id", "value"):
            return {}
        wanted = sorted(ids)
        texts: dict[int, str] = {}
        for first in range(0, len(wanted), 500):  # SQLite's limit of bound parameters was 999 before 3.32
            some = wanted[first : first + 500]
            marks = ", ".join("?" * len(some))
            texts.update(self.rows(f"select id, value from {STRINGS} where id in ({marks})", some))
        return {string: text for string, text in texts.items() if isinstance(text, str)}

    def kernel_names(self, ids: Iterable[int]) -> dict[int, str]:
        """The name of each of these string ids, also where the export lacks it."""
        wanted = set(ids)
        texts = self.strings(wanted)
        return {string_id: texts.get(string_id) or nameless(string_id) for string_id in wanted}

    @contextmanager
    def damage_told(self) -> Iterator[None]:
        """Turn SQLite's complaint about the file into one sentence."""
        try:
            yield
        except (sqlite3.DatabaseError, UnicodeDecodeError) as error:  # the second: SQLite quoted bytes of the file
            if "locked" in str(error):
                raise TraceError(f"{self.path} is being written", "wait until whatever writes it is done") from error
            journal = self.path.with_name(f"{self.path.name}-journal")
            if "readonly" in str(error) and journal.exists():
                raise TraceError(
                    f"{self.path} was left half-written: {journal.name} beside it would undo that",
                    f"sqlite3 {shlex.quote(str(self.path))} 'pragma integrity_check'  # undoes it",
                ) from error
            raise TraceError(
                f"{self.path} is damaged or cut short: {error}",
                _AGAIN,
            ) from error
        except (TypeError, ValueError, OverflowError) as error:  # numpy was handed something else than whole numbers
            raise self.unsound(str(error)) from error

    def unsound(self, what: str) -> TraceError:
        """The error of a file whose tables hold something else than nsys writes."""
        return TraceError(f"{self.path} holds what nsys doesn't write: {what}", _AGAIN)

    def _columns(self, table: str) -> frozenset[str]:
        quoted = table.replace('"', '""')
        return frozenset(row[1] for row in self.connection.execute(f'pragma table_info("{quoted}")'))


def _uri(path: Path) -> str:
    """A read-only URI. A WAL file is opened immutable: SQLite would put two files beside it."""
    with path.open("rb") as file:
        header = file.read(20)
    is_wal = len(header) == 20 and header[18] == _WAL
    log = path.with_name(f"{path.name}-wal")
    if is_wal and log.exists() and log.stat().st_size:
        raise TraceError(
            f"{path} has changes that still lie in {log.name}",
            f"sqlite3 {shlex.quote(str(path))} 'pragma wal_checkpoint(truncate)'  # or close what has it open",
        )
    return f"file:{quote(os.fsencode(path.resolve()))}?mode=ro{'&immutable=1' if is_wal else ''}"


def _decode(raw: bytes) -> str:
    return raw.decode("utf-8", "replace")
