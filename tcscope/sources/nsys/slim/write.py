"""Writing the copy: what the plan lists goes into a database of SQLite's own and from there, packed, to OUT.

Nothing is deleted from anything: what is not copied can't be left over in a page. `VACUUM INTO` then writes the pages
anew, beside OUT, which takes the name only when it is whole.
"""

from __future__ import annotations

import os
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from tcscope.errors import UsageError
from tcscope.model.leak import Slimmed
from tcscope.sources.nsys import tables as t
from tcscope.sources.nsys.database import Database
from tcscope.sources.nsys.slim.cut import Cut, cut_to
from tcscope.sources.nsys.slim.plan import ACTIVITIES, KEPT, KEPT_NAMES, RANGE_EVENTS, Kept, keeps_metric, keeps_name
from tcscope.sources.nsys.slim.private import kind_of, without_folders
from tcscope.sources.nsys.trace import NsysTrace

# Around a cut, so that the samples of GPU metrics at its edges stay: at the usual 10 kHz the time, at less the number.
_MARGIN_NS = 1_000_000
_MARGIN_SAMPLES = 10


def slim(
    trace: NsysTrace,
    output: Path,
    *,
    range: str | None = None,  # noqa: A002 - the word of the command line
    keep: int | None = None,
    short_paths: bool = False,
) -> Slimmed:
    """Write a scrubbed copy of an export, of the instances of a range (the first `keep`) where asked for.

    `output` is replaced if it exists. `short_paths` cuts paths in the names of ranges and kernels to their last part.
    Raises TraceError where the trace has nothing to keep, UsageError where the copy can't be written; then nothing is
    left behind.
    """
    db = trace.db
    cut = cut_to(db, range, keep) if range is not None or keep is not None else None
    with closing(sqlite3.connect("", uri=True, isolation_level=None)) as copy:
        with db.damage_told(), _told_when_full(output):
            writer = _Writer(db, copy, cut, short_paths)
            writer.write()
        with _told_when_full(output), _taking_the_place_of(output) as part:
            copy.execute("vacuum main into ?", (str(part),))
    return Slimmed(
        bytes_before=db.size,
        bytes_after=output.stat().st_size,
        rows=tuple(writer.rows.items()),
        instances=None if cut is None else cut.instances,
        unplaced=0 if cut is None else cut.unplaced,
        telling=writer.telling,
    )


class _Writer:
    """Copies tables from the export, attached read-only as `trace`, into the main database of `copy`."""

    def __init__(self, db: Database, copy: sqlite3.Connection, cut: Cut | None, short_paths: bool) -> None:
        self.db, self.copy, self.cut, self.short_paths = db, copy, cut, short_paths
        self.rows: dict[str, int] = {}
        self.telling = 0
        copy.text_factory = lambda raw: raw.decode("utf-8", "replace")
        copy.execute("pragma trusted_schema = off")
        encoding = db.row("pragma encoding")[0]  # one of SQLite's three words; a database is attached to one of its own
        copy.execute(f"pragma encoding = '{encoding}'")
        copy.execute("attach database ? as trace", (db.uri,))
        for function in (keeps_name, keeps_metric, _clean, _shortened):
            copy.create_function(
                function.__name__.lstrip("_"), function.__code__.co_argcount, function, deterministic=True
            )

    def write(self) -> None:
        """Copy all tables; the strings last, when it is known which are referred to."""
        self.copy.execute("begin")
        self._prepare()
        for table, kept in KEPT.items():
            if table in self.db.tables:
                self._copy(table, kept)
        self.copy.execute("commit")
        self.telling = sum(self._telling(*place) for place in ((t.NVTX, "text"), (t.STRINGS, "value")))
        self.copy.execute("detach database trace")

    def _prepare(self) -> None:
        """The ids that the conditions of `_where` look up, in tables that go with the connection."""
        self.copy.execute("create temp table kept_ranges (id integer primary key)")
        self.copy.execute(
            "create temp table kept_calls (process, correlation, primary key (process, correlation)) without rowid"
        )
        self.copy.execute("create temp table caused (id integer primary key)")
        if self.cut is not None:
            self.copy.executemany("insert into kept_ranges values (?)", self.cut.ranges)
            self.copy.executemany("insert into kept_calls values (?, ?)", self.cut.calls)
            return
        for table in ACTIVITIES:
            if self.db.has(table, "correlationId"):
                found = f"select correlationId from trace.{table} where typeof(correlationId) = 'integer'"
                self.copy.execute(f"insert or ignore into caused {found}")

    def _copy(self, table: str, kept: Kept) -> None:
        declared = {
            row[1]: (_declared(row[2]), row[5]) for row in self.copy.execute(f"pragma trace.table_info({table})")
        }
        columns = [name for name in kept.columns if name in declared]
        if not columns:
            return
        made = []
        for name in columns:
            is_key = table == t.STRINGS and name == "id" and declared[name] == ("integer", 1)
            made.append(f'"{name}" {"integer primary key" if is_key else declared[name][0]}')
        self.copy.execute(f"create table main.{table} ({', '.join(made)})")
        select = ", ".join(self._value(table, name, kept) for name in columns)
        where = self._where(table)
        rows = self.copy.execute(f"insert into main.{table} select {select} from trace.{table} where {where}")
        self.rows[table] = rows.rowcount

    def _value(self, table: str, column: str, kept: Kept) -> str:
        """SQL of a cell: what is of another type than it should be does not go along."""
        if column not in kept.texts:
            return f"""case when typeof("{column}") in ('integer', 'real') then "{column}" end"""
        value = f'"{column}"'
        if table in KEPT_NAMES:
            value = f"clean({value})"
        elif self.short_paths and (table, column) in ((t.NVTX, "text"), (t.STRINGS, "value")):
            value = f"shortened({value})"
        return f"""case when typeof("{column}") = 'text' then {value} end"""

    def _where(self, table: str) -> str:
        """Which rows of a table stay."""
        if table in KEPT_NAMES:
            return f"keeps_name('{table}', name)" if self.db.has(table, "name") else "0"
        if table == t.STRINGS:
            return f"id in ({self._referred() or 'select null'})"
        if table == t.NVTX:
            return self._nvtx()
        if table == t.RUNTIME:
            return self._runtime()
        if table == t.METRIC_NAMES:
            return "keeps_metric(metricName)" if self.db.has(table, "metricName") else "1"
        if table == t.METRICS:
            return self._samples()
        if self.cut is None:
            return "1"
        if table in ACTIVITIES:
            return self._is_kept(table, self.db.column(table, "globalPid"))
        return "1"

    def _samples(self) -> str:
        """Of GPU metrics those that are read by name, in a cut those of its time and some before and after it."""
        where = ["1"]
        if self.db.has(t.METRICS, "typeId", "metricId") and self.db.has(t.METRIC_NAMES, "typeId", "metricId"):
            named = f"select typeId, metricId from trace.{t.METRIC_NAMES} where {self._where(t.METRIC_NAMES)}"
            where.append(f"(typeId, metricId) in ({named})")
        if self.cut is not None and self.db.has(t.METRICS, "timestamp"):
            margin = max(_MARGIN_NS, _MARGIN_SAMPLES * self._period())
            where.append(f"timestamp between {self.cut.first_ns - margin} and {self.cut.last_ns + margin}")
        return " and ".join(where)

    def _period(self) -> int:
        """The time between two samples of a metric in ns, 0 where there are none."""
        if not self.db.has(t.METRICS, "typeId", "metricId"):
            return 0
        one = f"select typeId, metricId from trace.{t.METRICS} limit 1"
        gaps = (
            f"select timestamp - lag(timestamp) over (order by timestamp) as gap from trace.{t.METRICS}"
            f" where (typeId, metricId) = ({one}) and typeof(timestamp) = 'integer'"
        )
        return int(self.copy.execute(f"select min(gap) from ({gaps}) where gap > 0").fetchone()[0] or 0)

    def _nvtx(self) -> str:
        if not self.db.has(t.NVTX, "eventType"):
            return "0"
        ranges = f"eventType in {RANGE_EVENTS}"
        if self.cut is not None:
            ranges = "rowid in (select id from temp.kept_ranges)"
        return f"({ranges} or eventType = {t.DOMAIN})"

    def _runtime(self) -> str:
        """Of API calls those that launched something, or that some activity names as its cause."""
        if self.cut is not None:
            return self._is_kept(t.RUNTIME, f"{self.db.column(t.RUNTIME, 'globalTid')} & {t.PROCESS_MASK}")
        caused = f"{self.db.column(t.RUNTIME, 'correlationId')} in (select id from temp.caused)"
        if not self.db.has(t.RUNTIME, "nameId") or not self.db.has(t.STRINGS, "id", "value"):
            return caused
        return f"({caused} or nameId in ({t.LAUNCH_NAMES.replace(t.STRINGS, f'trace.{t.STRINGS}')}))"

    def _is_kept(self, table: str, process: str) -> str:
        pair = f"({process}, {self.db.column(table, 'correlationId')})"
        return f"{pair} in (select process, correlation from temp.kept_calls)"

    def _referred(self) -> str:
        """SQL for the ids of strings that the copy's rows refer to."""
        places = [(table, column) for table, kept in KEPT.items() for column in kept.strings]
        return " union ".join(
            f"select {column} from main.{table}"
            for table, column in places
            if table in self.rows and self.db.has(table, column)
        )

    def _telling(self, table: str, column: str) -> int:
        if table not in self.rows or not self.db.has(table, column):
            return 0
        rows = self.copy.execute(f"select distinct {column} from main.{table} where {column} is not null")
        return sum(kind_of(text) is not None for (text,) in rows)


def _declared(kind: str) -> str:
    """The type of a column: the exporter's word for it if it is one of SQLite's."""
    return kind.lower() if kind.lower() in ("integer", "real", "text") else ""


def _clean(value: str | None) -> str:
    return "" if value is None or kind_of(value) else value


def _shortened(value: str) -> str:
    return without_folders(value)


@contextmanager
def _taking_the_place_of(output: Path) -> Iterator[Path]:
    """An empty file beside `output` that becomes it; where anything fails, neither is touched."""
    descriptor, name = tempfile.mkstemp(prefix=f".{output.name[:80]}.", suffix=".part", dir=output.parent)
    part = Path(name)
    try:
        umask = os.umask(0)
        os.umask(umask)
        os.fchmod(descriptor, 0o666 & ~umask)
        os.close(descriptor)
        yield part
        part.replace(output)
    except BaseException:
        part.unlink(missing_ok=True)
        Path(f"{part}-journal").unlink(missing_ok=True)
        raise


@contextmanager
def _told_when_full(output: Path) -> Iterator[None]:
    """Turn what can go wrong while writing into one sentence; what is wrong with the trace is told elsewhere."""
    try:
        yield
    except OSError as error:
        raise UsageError(f"can't write {output}: {error.strerror}", "give -o a file in a folder that exists") from error
    except sqlite3.OperationalError as error:
        if not str(error).startswith(("database or disk is full", "disk I/O", "unable to open", "attempt to write")):
            raise
        raise UsageError(
            f"can't write {output}: {error}",
            "give -o a file on a disk with room; $SQLITE_TMPDIR names one for the draft",
        ) from error
