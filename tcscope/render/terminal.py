"""The report on a terminal or in a pipe."""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from typing import TextIO

from rich.console import Console

from tcscope.model import Report
from tcscope.render.lines import LEVEL_STYLES
from tcscope.render.page import Page

__all__ = ["LEVEL_STYLES", "as_text", "console_for", "plain_page", "write", "write_page"]

_NARROWEST, _WIDEST = 60, 160


def write(report: Report, stream: TextIO, *, top: int = 10, full_names: bool = False) -> None:
    """Write the report; where the stream is no terminal it is plain and 80 columns wide, or $COLUMNS."""
    write_page(lambda console: Page(console, report, top, full_names).show(), stream)


def as_text(
    report: Report, *, top: int = 10, full_names: bool = False, width: int = 80, encoding: str = "utf-8"
) -> str:
    """The report as plain text, without blanks at the ends of lines."""
    return plain_page(lambda console: Page(console, report, top, full_names).show(), width, encoding)


def write_page(show: Callable[[Console], None], stream: TextIO) -> None:
    """Show a page on a terminal; where the stream is none it is plain and 80 columns wide, or $COLUMNS."""
    console = console_for(stream)
    if console.is_terminal:
        show(console)
    else:
        stream.write(plain_page(show, console.width, console.encoding))


def plain_page(show: Callable[[Console], None], width: int, encoding: str) -> str:
    """A page as plain text, without blanks at the ends of lines."""
    buffer = io.TextIOWrapper(io.BytesIO(), encoding=encoding, errors="replace", newline="\n")
    show(Console(file=buffer, width=width, color_system=None, highlight=False, emoji=False, markup=False))
    buffer.seek(0)
    return "".join(f"{line.rstrip()}\n" for line in buffer)


def console_for(stream: TextIO) -> Console:
    """A console on a stream, without markup in names; as wide as the terminal, or $COLUMNS, within reason."""
    console = Console(file=stream, highlight=False, emoji=False, markup=False)
    asked = os.environ.get("COLUMNS", "")
    width = int(asked) if asked.isdecimal() else console.width if console.is_terminal else 80
    console.width = min(max(width, _NARROWEST), _WIDEST)
    return console
