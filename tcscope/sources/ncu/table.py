"""The CSV that `ncu --csv` prints, between other lines: wide (--page raw, a column a metric) or long (a row each)."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Sequence

from tcscope.errors import TraceError
from tcscope.sources.ncu.counted import EXPECTED, Counted, capability

_NAMES = ("Kernel Name", "Function Name", "Demangled Name")  # the last two are spellings of older releases
_METRIC = ("Metric Name", "Metric Value")
_DENIED = "ERR_NVGPUCTRPERM"
# Units that ncu scales a count or a time to without --print-units base: `12.5`, `Kinst`.
_SCALES = {"K": 1e3, "M": 1e6, "G": 1e9, "T": 1e12}
_SCALED = re.compile(r"([KMGT])(?:inst|op|ops|cycle|thread|byte)?(?:/.*)?")
_PROGRESS = re.compile(r"^\s*==\w+==")


def parse(text: str, path: str) -> list[Counted]:
    """The launches in the order of their rows. Raises TraceError where it is no such CSV, with its line."""
    lines = [line for line in text.splitlines() if not _PROGRESS.match(line)]
    start = next((at for at, line in enumerate(lines) if _is_header(line)), None)
    if start is None:
        if _DENIED in text:
            raise TraceError(
                f"{path} holds no counters: ncu had no permission to read them ({_DENIED})",
                "run ncu as root (sudo -E), or load the driver with NVreg_RestrictProfilingToAdminUsers=0",
            )
        raise TraceError(f"{path} is no CSV of ncu: no line has a column 'Kernel Name'", EXPECTED)
    rows = list(_rows(lines[start:], path))
    header = rows[0]
    name_at = next(header.index(name) for name in _NAMES if name in header)
    if all(column in header for column in _METRIC):
        return _long(header, rows[1:], name_at)
    return _wide(header, rows[1:], name_at)


def _is_header(line: str) -> bool:
    if not any(name in line for name in _NAMES):
        return False
    try:
        return any(name in next(csv.reader([line]), []) for name in _NAMES)
    except csv.Error:  # a line of something else
        return False


def _rows(lines: Sequence[str], path: str) -> Iterator[list[str]]:
    """The header and the rows of its width: a program's own output may stand between them."""
    reader = csv.reader(io.StringIO("\n".join(lines)))
    try:
        header = next(reader)
        yield header
        for row in reader:
            if len(row) == len(header) and row != header:
                yield row
    except csv.Error as error:
        raise TraceError(f"{path}: row {reader.line_num} of the table is no CSV: {error}", EXPECTED) from error


def _long(header: list[str], rows: Sequence[list[str]], name_at: int) -> list[Counted]:
    """A row a metric: rows of one process and ID are one launch."""
    at = {column: header.index(column) for column in ("ID", "Process ID", *_METRIC, "Metric Unit") if column in header}
    launches: dict[tuple[str, ...], tuple[str, int | None, dict[str, float]]] = {}
    for row in rows:
        key = (*(row[at[column]] for column in ("Process ID", "ID") if column in at), row[name_at])
        _, _, values = launches.setdefault(key, (row[name_at], _sm(header, row), {}))
        number = _number(row[at["Metric Value"]], row[at["Metric Unit"]] if "Metric Unit" in at else "")
        if number is not None:
            values[row[at["Metric Name"]]] = number
    return [Counted(name, sm, values) for name, sm, values in launches.values()]


def _wide(header: list[str], rows: Sequence[list[str]], name_at: int) -> list[Counted]:
    """A column a metric; the first row holds the units, and no name."""
    units = [""] * len(header)
    if rows and not rows[0][name_at].strip():
        units, rows = rows[0], rows[1:]
    metrics = [at for at, column in enumerate(header) if "__" in column]
    found = []
    for row in rows:
        if not row[name_at].strip():
            continue
        numbers = ((header[at], _number(row[at], units[at])) for at in metrics)
        found.append(
            Counted(row[name_at], _sm(header, row), {name: value for name, value in numbers if value is not None})
        )
    return found


def _sm(header: list[str], row: list[str]) -> int | None:
    return capability(row[header.index("CC")]) if "CC" in header else None


def _number(text: str, unit: str) -> float | None:
    """A value with its thousands separators; None for `n/a`, an error or an empty cell."""
    try:
        value = float(text.replace(",", ""))
    except ValueError:
        return None
    scaled = _SCALED.fullmatch(unit.strip())
    return value * _SCALES[scaled[1]] if scaled else value
