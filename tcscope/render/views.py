"""A view as a text table, CSV or Markdown."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Iterator, Mapping, Sequence

from tcscope.model.view import Column, Kind, Value, View
from tcscope.render import text
from tcscope.render.csvwriter import CsvWriter
from tcscope.render.markdown import code, escaped, row, table_head
from tcscope.wording import percent, plain

_NUMBERS = (Kind.COUNT, Kind.SHARE, Kind.MS, Kind.US)
_BESIDE = (*_NUMBERS, Kind.TEXT)  # on an entry's first line; all else goes below
_NAMES = (Kind.KERNEL, Kind.LAYER)
_INDENT = 7
_NOT_KNOWN = "-"


def as_text(view: View, *, width: int = 80, full_names: bool = False, ascii_only: bool = False) -> str:
    """The view as a table that reads well in `width` columns and in a pipe: names and sentences below their numbers."""
    beside = [at for at, column in enumerate(view.columns) if column.kind in _BESIDE]
    cells = [[shown(line[at], view.columns[at]) for at in beside] for line in view.rows]
    heads = [view.columns[at].title for at in beside]
    widths = [max(map(len, column)) for column in zip(heads, *cells, strict=True)]
    right = [view.columns[at].kind in _NUMBERS for at in beside]
    lines = [plain(view.title), "=" * min(len(plain(view.title)), width)]
    lines += [part for note in view.notes for part in textwrap.wrap(plain(note), width)]
    lines += [""] if view.notes else []
    if any(heads) and view.rows:
        lines.append(_aligned(heads, widths, right))
    for values, beside_cells in zip(view.rows, cells, strict=True):
        lines.append(_aligned(beside_cells, widths, right)[: None if full_names else width].rstrip())
        lines += _below(view, values, None if full_names else width, "..." if ascii_only else "…")
    return "\n".join(lines) + "\n"


def as_csv(view: View) -> str:
    """The view as CSV: times in ns, shares 0..1."""
    stream = io.StringIO()
    writer = CsvWriter(stream)
    writer.writerow([column.key for column in view.columns])
    writer.writerows([["" if value is None else value for value in line] for line in view.rows])
    return stream.getvalue()


def as_markdown(view: View) -> str:
    """The view as a Markdown table."""
    lines = [f"### {escaped(view.title)}", ""]
    lines += [*(f"- {escaped(note)}" for note in view.notes), ""] if view.notes else []
    lines += table_head([(column.title, column.kind in _NUMBERS) for column in view.columns])
    for values in view.rows:
        lines.append(row([_marked(value, column) for value, column in zip(values, view.columns, strict=True)]))
    return "\n".join(lines) + "\n"


def shown(value: Value, column: Column) -> str:
    """A value as a person reads it."""
    if value is None:
        return _NOT_KNOWN
    if column.kind is Kind.SHARE:
        return percent(float(value))
    if column.kind is Kind.MS:
        return text.milliseconds(int(value))
    if column.kind is Kind.US:
        return f"{int(value) / 1e3:,.1f}"
    if column.kind is Kind.COUNT:
        return f"{int(value):,}"
    return plain(str(value))


def _aligned(cells: Sequence[str], widths: Sequence[int], right: Sequence[bool]) -> str:
    line = ""
    for cell, width, flush in zip(cells, widths, right, strict=True):
        gap = "" if not line else " " if flush else "  "
        line += gap + (f"{cell:>{width}}" if flush else f"{cell:<{width}}")
    return line.rstrip()


def _below(view: View, values: Sequence[Value], width: int | None, gap: str) -> Iterator[str]:
    """What stands below an entry's numbers: its name behind its tags, then sentences. No `width`: names stay whole."""
    tags = []
    for column, value in zip(view.columns, values, strict=True):
        if value in (None, "") or column.kind in _BESIDE:
            continue
        said = plain(str(value))
        if column.kind is Kind.TAG:
            tags.append(said)
        elif column.kind in _NAMES:
            tag = f"({', '.join(tags)}) " if tags else ""
            if width is not None:
                said = _cut(str(value), column, width - _INDENT - len(tag), view.cues, gap)
            yield f"{'':{_INDENT}}{tag}{said}"
        else:
            line = f"{column.title}: {said}"
            yield from textwrap.wrap(line, width or 80, initial_indent="  ", subsequent_indent="    ")


def _cut(name: str, column: Column, room: int, cues: Mapping[str, str], gap: str) -> str:
    if column.kind is Kind.LAYER:
        return text.shorten(name, room, gap=gap)
    return text.cut(name, room, cues.get(name, ""), gap=gap)


def _marked(value: Value, column: Column) -> str:
    said = shown(value, column)
    return code(said) if column.kind in _NAMES else escaped(said)
