"""The line on the terminal that says how far a long reading has come."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

from tcscope.progress import watched_by

_PATIENCE_S = 1.0  # without a word
_EVERY_S = 0.1
_CELLS = 24


class Bar:
    """A bar that is drawn over itself: `launches [#####    ] 23 % of 10,000,000`, from the second second on."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._next = time.monotonic() + _PATIENCE_S
        self._shown = 0

    def __call__(self, what: str, done: int, of: int) -> None:
        """Show that `done` of so many were read, unless something was shown a moment ago; nothing once all were."""
        if done >= of:
            self.wipe()
            return
        now = time.monotonic()
        if now < self._next:
            return
        self._next = now + _EVERY_S
        bar = ("#" * (done * _CELLS // of)).ljust(_CELLS)
        self._draw(f"{what} [{bar}] {done * 100 // of} % of {of:,}")

    def wipe(self) -> None:
        """Take the bar off the screen."""
        if self._shown:
            self._draw("", "\r")

    def _draw(self, text: str, after: str = "") -> None:
        self._stream.write("\r" + text.ljust(self._shown) + after)
        self._stream.flush()
        self._shown = len(text)


@contextmanager
def reading_shown() -> Iterator[None]:
    """Show on the error output, if that is a terminal, how far the reading has come that takes longer than a second."""
    if sys.stderr is None or not sys.stderr.isatty():
        yield
        return
    bar = Bar(sys.stderr)
    try:
        with watched_by(bar):
            yield
    finally:
        bar.wipe()
