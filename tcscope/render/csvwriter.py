"""The one way in which tcscope writes CSV."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from typing import TextIO


class CsvWriter:
    r"""Writes rows as every CSV reader takes them; a zero byte, which Python 3.10's refuse, is spelled `\x00`."""

    def __init__(self, stream: TextIO) -> None:
        self._writer = csv.writer(stream, lineterminator="\n")

    def writerow(self, cells: Iterable[object]) -> None:
        """Write one row."""
        self._writer.writerow(
            [cell.replace("\0", r"\x00") if isinstance(cell, str) and "\0" in cell else cell for cell in cells]
        )

    def writerows(self, rows: Iterable[Iterable[object]]) -> None:
        """Write rows one after the other."""
        for cells in rows:
            self.writerow(cells)
