"""Where a long piece of work stands, on a terminal."""

from __future__ import annotations

import sys
import time


class Status:
    """Where the work stands, in one line on the terminal's error output that each next one replaces."""

    def __init__(self) -> None:
        self._shown = 0
        self._next = time.monotonic() + 0.5

    def __call__(self, what: str) -> None:
        """Show it, not too often."""
        now = time.monotonic()
        if now >= self._next and sys.stderr.isatty():
            self._next = now + 0.2
            self._show(what[:78])

    def __enter__(self) -> Status:
        return self

    def __exit__(self, *error: object) -> None:
        if self._shown:
            self._show("")

    def _show(self, text: str) -> None:
        from tcscope.wording import plain

        text = plain(text)
        sys.stderr.write("\r" + text.ljust(self._shown) + ("" if text else "\r"))
        sys.stderr.flush()
        self._shown = len(text)
