"""Ways to damage an SQLite file, for any command that reads one."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from hypothesis import strategies as st


def damaged(file: bytes, data: st.DataObject, most: int) -> bytes:
    """The file after one to `most` flips, overwritten parts, cuts at the end or in the middle."""
    made = bytearray(file)
    for _ in range(data.draw(st.integers(1, most))):
        at = data.draw(st.one_of(st.integers(0, 110), st.integers(0, max(len(made) - 1, 0))))
        kind = data.draw(st.sampled_from(["flip", "noise", "cut", "out"]))
        if kind == "flip" and at < len(made):
            made[at] ^= 1 << data.draw(st.integers(0, 7))
        elif kind == "noise":
            made[at : at + 8] = data.draw(st.binary(min_size=8, max_size=8))
        elif kind == "cut":
            del made[at:]
        else:
            del made[at : at + data.draw(st.integers(1, 5000))]
    return bytes(made)


def loose(path: Path) -> None:
    """Take types and NOT NULL off all columns, so that they take anything."""
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        for name, _ in list(db.execute("select name, sql from sqlite_master where type = 'table'")):
            columns = ", ".join(f'"{row[1]}"' for row in db.execute(f"pragma table_info({name})"))
            db.execute(f"alter table {name} rename to before")
            db.execute(f"create table {name} ({columns})")
            db.execute(f"insert into {name} select * from before")
            db.execute("drop table before")


def put(
    path: Path, changes: Iterable[tuple[tuple[str, str], Any]], data: st.DataObject, cells: Sequence[str] = ("?",)
) -> None:
    """Write values into columns that the file has, all rows or every other one, each as one of `cells` in SQL."""
    with closing(sqlite3.connect(path)) as db:
        db.execute("pragma synchronous = off")
        for (table, column), value in changes:
            if column not in [row[1] for row in db.execute(f"pragma table_info({table})")]:
                continue
            where = data.draw(st.sampled_from(["1", "rowid % 2 = 0"]))
            cell = data.draw(st.sampled_from(cells))
            db.execute(f'update {table} set "{column}" = {cell} where {where}', (value,))
        db.commit()


def change_schema(path: Path, changes: Iterable[tuple[str, tuple[str, str]]]) -> None:
    """Run statements with `{table}` and `{column}` on the file, each as far as it goes."""
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("pragma synchronous = off")
        for change, (table, column) in changes:
            for statement in change.format(table=table, column=column).split("; "):
                try:
                    db.execute(statement)
                except sqlite3.Error:  # what an earlier change took away
                    break
