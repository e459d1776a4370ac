"""A history of checks: one SQLite file, appended to by any number of jobs at a time.

A file that is no history is never opened for writing: `PRAGMA application_id`, in the file's header, tells. A run, its
figures and its kernels go in as one transaction that holds the write lock from its begin (`BEGIN IMMEDIATE`), so that
writers wait for each other and none loses rows. https://www.sqlite.org/lang_transaction.html
"""

from __future__ import annotations

import math
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from tcscope.errors import UsageError
from tcscope.model import Op, Precision, Unit
from tcscope.model.check import Measure, Outcome
from tcscope.model.history import Figure, KernelTotal, Run
from tcscope.sources.plain_file import demand_file

if TYPE_CHECKING:
    import sqlite_utils

_MAGIC = b"SQLite format 3\x00"
_APPLICATION_ID = 0x74635348  # 'tcSH'; bytes 68 to 71 of the file: https://www.sqlite.org/fileformat.html
_VERSION = 1
_WAIT_S = 60.0
_HINT = "name another file: tcscope check TRACE --history tcscope.db"

_RUN = ("commit_id", "time", "trace", "digest", "outcome", "captured", "gpu", "selection")
_TABLES: dict[str, dict[str, type]] = {
    "runs": {"id": int, **dict.fromkeys(_RUN, str)},
    "figures": {"run": int, "metric": str, "measure": str, "value": float, "noise_ns": int},
    "names": {"id": int, "name": str},
    "kernels": {"run": int, "name_id": int, "unit": str, "precision": str, "op": str, "launches": int, "ns": int},
}
_KERNELS = (
    "select kernels.run, names.name, kernels.unit, kernels.precision, kernels.op, kernels.launches, kernels.ns"
    " from kernels join names on names.id = kernels.name_id"
)


def append(path: Path, run: Run) -> bool:
    """Add a run; False where this commit has one of this trace already. Raises UsageError where that can't be done."""
    _check(path, missing_ok=True)
    with _told(path), closing(sqlite3.connect(path.absolute(), timeout=_WAIT_S, isolation_level=None)) as connection:
        database = _database(connection)
        connection.execute("begin immediate")
        try:
            added = _added(path, database, run)
            connection.execute("commit")
        finally:
            if connection.in_transaction:
                connection.execute("rollback")
    return added


def read(path: Path) -> tuple[Run, ...]:
    """All runs, in the order in which they were added. Raises UsageError where the file is no history."""
    _check(path, missing_ok=False)
    uri = f"file:{quote(os.fsencode(path.absolute()))}?mode=rw"  # so that what a dead writer left is rolled back
    with _told(path), closing(sqlite3.connect(uri, uri=True, timeout=_WAIT_S, isolation_level=None)) as connection:
        connection.row_factory = sqlite3.Row
        connection.execute("begin")  # one state of the file for all three queries
        if not _is_history(path, connection):
            return ()
        try:
            return tuple(_runs(connection))
        except (ValueError, TypeError, OverflowError, IndexError) as error:  # IndexError: sqlite3.Row lacks a column
            raise _damaged(path, f"it holds what tcscope never writes ({error})") from error


def _runs(connection: sqlite3.Connection) -> Iterator[Run]:
    """The runs of an open history. Raises ValueError and its like where a value is none that was written."""
    figures: dict[int, list[Figure]] = {}
    for row in connection.execute("select * from figures order by rowid"):
        measure, number = Measure(row["measure"]), _finite(row["value"])
        noise = None if row["noise_ns"] is None else _whole(row["noise_ns"])
        value = number if measure is Measure.SHARE else int(number)
        figures.setdefault(row["run"], []).append(Figure(_text(row["metric"]), measure, value, noise))
    kernels: dict[int, list[KernelTotal]] = {}
    for run, name, unit, precision, op, launches, ns in connection.execute(f"{_KERNELS} order by kernels.rowid"):
        made = KernelTotal(_text(name), Unit(unit), Precision(precision), Op(op), _whole(launches), _whole(ns))
        kernels.setdefault(run, []).append(made)
    for row in connection.execute("select * from runs order by id"):
        yield _run(row, figures.get(row["id"], []), kernels.get(row["id"], []))


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError("a text is expected")
    return value


def _whole(value: object) -> int:
    if not isinstance(value, int) or value < 0:
        raise ValueError("a count is expected")
    return value


def _finite(value: object) -> float:
    if not isinstance(value, (int, float)) or not math.isfinite(value):
        raise ValueError("a number is expected")
    return value


def _run(row: sqlite3.Row, figures: list[Figure], kernels: list[KernelTotal]) -> Run:
    fields = {name: _text(row[name]) for name in _RUN}
    return Run(
        commit=fields.pop("commit_id"),
        outcome=Outcome(fields.pop("outcome")),
        **fields,
        figures=tuple(figures),
        kernels=tuple(kernels),
    )


def _added(path: Path, database: sqlite_utils.Database, run: Run) -> bool:
    if not _is_history(path, database.conn):
        _create(database)
    runs = database.table("runs")
    if runs.count_where("commit_id = ? and digest = ?", [run.commit, run.digest]):
        return False
    values = (run.commit, run.time, run.trace, run.digest, run.outcome, run.captured, run.gpu, run.selection)
    number = runs.insert(dict(zip(_RUN, map(str, values), strict=True))).last_pk
    database.table("figures").insert_all(
        {"run": number, "metric": f.metric, "measure": str(f.measure), "value": f.value, "noise_ns": f.noise_ns}
        for f in run.figures
    )
    known = _name_ids(database, {kernel.name for kernel in run.kernels})
    database.table("kernels").insert_all(
        {
            "run": number,
            "name_id": known[kernel.name],
            "unit": str(kernel.unit),
            "precision": str(kernel.precision),
            "op": str(kernel.op),
            "launches": kernel.launches,
            "ns": kernel.ns,
        }
        for kernel in run.kernels
    )
    return True


def _name_ids(database: sqlite_utils.Database, wanted: set[str]) -> dict[str, int]:
    """The ids of kernel names, which are long and the same in every run; new ones are added."""
    names = database.table("names")
    names.insert_all(({"name": name} for name in sorted(wanted)), ignore=True)
    return {row["name"]: row["id"] for row in names.rows if row["name"] in wanted}


def _create(database: sqlite_utils.Database) -> None:
    database.conn.execute(f"pragma application_id = {_APPLICATION_ID}")
    database.conn.execute(f"pragma user_version = {_VERSION}")
    runs = database.table("runs")
    runs.create(_TABLES["runs"], pk="id", not_null=set(_RUN))
    runs.create_index(["commit_id", "digest"], unique=True)
    database.table("figures").create(_TABLES["figures"], pk=("run", "metric"), foreign_keys=[("run", "runs", "id")])
    names = database.table("names")
    names.create(_TABLES["names"], pk="id", not_null={"name"})
    names.create_index(["name"], unique=True)
    kernels = _TABLES["kernels"]
    made = database.table("kernels").create(
        kernels, foreign_keys=[("run", "runs", "id"), ("name_id", "names", "id")], not_null=set(kernels)
    )
    made.create_index(["run"])
    database.create_view("kernel_totals", _KERNELS)  # for readers with a SQLite shell


def _is_history(path: Path, connection: sqlite3.Connection) -> bool:
    """Whether the file is a history; False where it is still empty. Raises UsageError where it is something else."""
    application = connection.execute("pragma application_id").fetchone()[0]
    if application != _APPLICATION_ID:
        if application or connection.execute("select count(*) from sqlite_master").fetchone()[0]:
            raise _other(path)
        return False
    version = connection.execute("pragma user_version").fetchone()[0]
    if version != _VERSION:
        raise UsageError(f"{path} is a history of another tcscope (version {version})", "pip install -U tcscope")
    for table, columns in _TABLES.items():
        kind = connection.execute("select type from sqlite_master where name = ?", (table,)).fetchone()
        is_table = kind is not None and kind[0] == "table"
        there = {row[1] for row in connection.execute(f"pragma table_info({table})")} if is_table else set()
        if there != columns.keys():
            raise _damaged(path, f"its table '{table}' is not as tcscope made it")
    return True


def _check(path: Path, *, missing_ok: bool) -> None:
    """Look at the file's header without SQLite, which might write beside a file that is not ours."""
    try:
        if path.exists():
            demand_file(path, _HINT)
        with path.open("rb") as file:
            head = file.read(72)
    except FileNotFoundError as error:
        if missing_ok and path.absolute().parent.is_dir():
            return
        what = f"no such file: {path}" if not missing_ok else f"no such folder: {path.parent}"
        raise UsageError(what, "tcscope check TRACE --history tcscope.db  # begins one") from error
    except OSError as error:
        raise UsageError(f"can't read {path}: {error.strerror}", _HINT) from error
    except ValueError as error:  # a zero byte in the name
        raise UsageError(f"no such file: {path}", _HINT) from error
    if head and (not head.startswith(_MAGIC) or int.from_bytes(head[68:72], "big") != _APPLICATION_ID):
        raise _other(path)


def _other(path: Path) -> UsageError:
    return UsageError(f"{path} is no history of tcscope", _HINT)


def _database(connection: sqlite3.Connection) -> sqlite_utils.Database:
    import sqlite_utils  # which imports pandas, where that is: half a second that a reader can do without

    return sqlite_utils.Database(connection, use_counts_table=False, execute_plugins=False)


@contextmanager
def _told(path: Path) -> Iterator[None]:
    """Turn SQLite's complaint into one sentence."""
    try:
        yield
    except sqlite3.OperationalError as error:
        if "locked" in str(error):
            raise UsageError(f"{path} is being written to for more than {_WAIT_S:.0f} s", "try again") from error
        raise UsageError(f"can't use {path}: {error}", "name a file that can be written") from error
    except sqlite3.DatabaseError as error:
        raise _damaged(path, str(error)) from error


def _damaged(path: Path, what: str) -> UsageError:
    return UsageError(f"{path} is damaged: {what}", f"put it aside: mv {path} {path}.damaged")
