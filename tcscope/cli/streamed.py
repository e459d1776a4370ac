"""Large files, written piece by piece: whole or not at all, with progress for who watches."""

from __future__ import annotations

import gzip
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import IO

from tcscope.errors import UsageError
from tcscope.wording import count

_PATIENCE = 1.0  # seconds without a word
_BUFFER = 1 << 20


@contextmanager
def written_whole(output: Path) -> Iterator[IO[bytes]]:
    """A file to write, which takes its place under its name at the end; after an error nothing has changed.

    A name that ends in .gz is compressed. Raises UsageError where the file can't be written.
    """
    target = output.resolve()
    is_plain = target.is_file() or not target.exists()  # a pipe or a device is written to, and never replaced
    part = target.with_name(f".{target.name}.{os.getpid()}.part") if is_plain else target
    try:
        with part.open("xb" if is_plain else "wb", buffering=_BUFFER) as file:
            if output.suffix == ".gz":
                # neither a name nor a time in its header: the same timeline is the same file
                with gzip.GzipFile(filename="", mode="wb", compresslevel=4, fileobj=file, mtime=0) as packed:
                    yield packed  # type: ignore[misc]
            else:
                yield file
        if is_plain:
            part.replace(target)
    except BaseException as error:
        if is_plain:
            with suppress(OSError):
                part.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise UsageError(
                f"can't write {output}: {error.strerror}", "give -o a file in a folder that exists, on a disk with room"
            ) from error
        raise


class Progress:
    """Counts aloud on the terminal's error output, if there is one and it takes longer than a second."""

    def __init__(self, noun: str) -> None:
        self._noun = noun
        self._done = 0
        self._next = time.monotonic() + _PATIENCE
        self._shown = 0

    def __call__(self, more: int) -> None:
        """Count `more`."""
        self._done += more
        now = time.monotonic()
        if now >= self._next and sys.stderr.isatty():
            self._next = now + 0.2
            self._show(f"{count(self._done, self._noun)} ...")

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._shown:
            self._show("")

    def _show(self, text: str) -> None:
        sys.stderr.write("\r" + text.ljust(self._shown) + ("" if text else "\r"))
        sys.stderr.flush()
        self._shown = len(text)
