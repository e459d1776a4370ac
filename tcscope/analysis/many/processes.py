"""Files read on this machine: a few in this process, many in processes of their own, one of which may die."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from itertools import islice
from pathlib import Path

from tcscope.analysis.many.answers import answer

# A process takes half a second to start. Two of them win from about two seconds of work on, in which this one reads
# 64 small files, or 256 MB of launches.
_A_FILE = 4 << 20
_WORTH_A_PROCESS = 256 << 20
_EXPORTED = 20  # reading a .nsys-rep is nsys writing a larger file first

DIED = json.dumps(
    {
        "error": "the process that read it was ended, perhaps for want of memory",
        "hint": "--jobs 1: one file at a time",
    }
)


def fitting_jobs(paths: Sequence[str]) -> int:
    """How many processes are worth starting: one for each file and core, or for little work none but this one (1)."""
    work = sum(_A_FILE + _size(path) for path in paths)
    return min(_cores(), len(paths)) if work > _WORTH_A_PROCESS else 1


def read_here(paths: Sequence[str], question: str, jobs: int) -> Iterator[tuple[int, str]]:
    """(place in `paths`, answer) of each file as it comes, read by `jobs` processes at once; 1 is this process alone.

    Where a process dies, the files that were being read are read again, each in a process of its own, so that only one
    that kills its process is lost.
    """
    if jobs == 1:
        yield from ((i, answer(path, question)) for i, path in enumerate(paths))
        return
    waiting = dict(enumerate(paths))
    while waiting:
        suspects: list[int] = []
        for i, text in _until_one_dies(waiting, question, jobs, suspects):
            del waiting[i]
            yield i, text
        for i in suspects:
            killers: list[int] = []
            yield from _until_one_dies({i: waiting.pop(i)}, question, 1, killers)
            yield from ((killer, DIED) for killer in killers)


def _until_one_dies(paths: dict[int, str], question: str, jobs: int, suspects: list[int]) -> Iterator[tuple[int, str]]:
    """The answers until all are there or a process dies; the files then being read are added to `suspects`."""
    todo = iter(list(paths.items()))
    context = multiprocessing.get_context("spawn")  # a fork would copy threads and their locks in any state
    pool = ProcessPoolExecutor(min(jobs, len(paths)), context, _begin)
    reading: dict[Future[str], int] = {}
    try:
        while True:
            # no more are handed over than are read at once: what waits in the pool would be suspected too
            for i, path in islice(todo, jobs - len(reading)):
                reading[pool.submit(answer, path, question)] = i
            if not reading:
                return
            done, _ = wait(reading, return_when=FIRST_COMPLETED)
            for future in done:
                if not isinstance(future.exception(), BrokenProcessPool):
                    yield reading.pop(future), future.result()
            if any(future in reading for future in done):
                suspects += reading.values()
                return
    except BrokenProcessPool:  # a process died while none of its files was waited for
        suspects += reading.values()
    finally:
        pool.shutdown(cancel_futures=True)


def _begin() -> None:
    """A worker ends silently with Ctrl-C, and never outlives the process that started it."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _size(path: str) -> int:
    try:
        return Path(path).stat().st_size * (_EXPORTED if path.endswith(".nsys-rep") else 1)
    except (OSError, ValueError):  # it will be an error of its own
        return 0
