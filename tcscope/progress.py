"""How far a long reading has come: told by whoever reads, heard by whoever watches."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

Watcher = Callable[[str, int, int], None]  # what is read (`launches`), how many of them so far, how many in all

_watcher: ContextVar[Watcher | None] = ContextVar("watcher", default=None)


@contextmanager
def watched_by(watcher: Watcher) -> Iterator[None]:
    """Within it, on this thread, `watcher` hears of all that is told."""
    token = _watcher.set(watcher)
    try:
        yield
    finally:
        _watcher.reset(token)


def tell(what: str, done: int, of: int) -> None:
    """So many of these have been read; where nobody watches, nothing happens."""
    watcher = _watcher.get()
    if watcher is not None:
        watcher(what, done, of)
