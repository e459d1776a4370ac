"""A child that the user watches: its output goes to the terminal and to the log, and Ctrl-C ends it in good order."""

from __future__ import annotations

import codecs
import os
import shlex
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from tcscope.errors import TraceError

_LINES = 40  # of a child's output, kept to be quoted
_DRAIN_S = 2.0  # how long to wait for output of what a child left running behind it
_SILENT_S = 120  # how long a tool may take to say its version
_ENDINGS = (signal.SIGINT, signal.SIGTERM, getattr(signal, "SIGKILL", signal.SIGTERM))  # one for each Ctrl-C


class InterruptedCaptureError(TraceError):
    """The user ended it before there was anything to keep."""


@dataclass(frozen=True)
class Ended:
    """How a child ended: its exit code (128 + N: killed by signal N), its last lines, and whether the user ended it."""

    code: int
    lines: tuple[str, ...]
    interrupted: bool


def answer_of(tool: Path, remedy: str, *arguments: str) -> str:
    """All that a short command of a tool prints. Raises TraceError, with the remedy, where it says nothing."""
    try:
        done = subprocess.run(  # noqa: S603 - the nsys or ncu that the user has
            [str(tool), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            check=False,
            timeout=_SILENT_S,
        )
    except OSError as error:
        raise TraceError(f"can't run {tool}: {error.strerror}", remedy) from error
    except subprocess.TimeoutExpired as error:
        raise TraceError(f"{tool} {arguments[-1]} says nothing for {_SILENT_S} s", remedy) from error
    return done.stdout


class Log:
    """A file that all output is added to; once it can't be written, the work goes on without it."""

    def __init__(self, path: Path) -> None:
        self._path: Path | None = path

    def write(self, text: str) -> None:
        """Add text."""
        if self._path is None:
            return
        try:
            with self._path.open("a", encoding="utf-8", errors="replace") as file:
                file.write(text)
        except OSError as error:
            print(f"note: no more log: can't write {self._path}: {error.strerror}", file=sys.stderr)
            self._path = None


def run(
    command: Sequence[str], log: Log, environment: Mapping[str, str] | None = None, stop: Sequence[str] = ()
) -> Ended:
    """Run a command to its end, its output on stderr and in the log: stdout is for the answer.

    The child leads a group of its own. The first Ctrl-C runs the command `stop`, sends the group SIGINT and waits, a
    second one SIGTERM, a third SIGKILL. Raises TraceError where the command can't be started.
    """
    log.write(f"$ {shlex.join(command)}\n")
    try:
        child = subprocess.Popen(  # noqa: S603 - the program that the user asked for
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env={**os.environ, **(environment or {})},
        )
    except OSError as error:
        raise TraceError(f"can't run {command[0]}: {error.strerror}", "give its path") from error
    kept: deque[str] = deque([""], _LINES)
    reader = threading.Thread(target=_relay, args=(child.stdout, log, kept), daemon=True)
    reader.start()
    interrupted = _wait(child, log, stop)
    if interrupted:
        _signal_group(child, _ENDINGS[-1])  # nsys is at its end: what it left behind would run on unseen
        _end_session(child.pid)
    reader.join(_DRAIN_S)
    code = child.returncode if child.returncode >= 0 else 128 - child.returncode
    log.write(f"# exit code {code}{', interrupted' if interrupted else ''}\n")
    return Ended(code, tuple(line for line in kept if line.strip()), interrupted)


def _wait(child: subprocess.Popen[bytes], log: Log, stop: Sequence[str]) -> bool:
    """Wait for the child; True if the user ended it."""
    asked = sent = 0
    with _ended_in_order():
        while True:
            try:
                while sent < asked:  # inside `try`: another Ctrl-C may come at any moment
                    if asked == 1:
                        _show("\nnote: stopping, and keeping what was recorded; again to end it at once\n")
                        _stop_recording(stop, log)
                    _signal_group(child, _ENDINGS[min(sent, len(_ENDINGS) - 1)])
                    sent += 1
                child.wait()
                return asked > 0
            except KeyboardInterrupt:
                asked += 1


def _stop_recording(stop: Sequence[str], log: Log) -> None:
    """Have what was recorded written down while the program still lives."""
    if not stop:
        return
    log.write(f"$ {shlex.join(stop)}\n")
    try:
        done = subprocess.run(stop, capture_output=True, text=True, errors="replace", check=False)  # noqa: S603 - nsys
        log.write(done.stdout.replace("\r", "\n") + done.stderr)
    except OSError as error:
        log.write(f"# {error.strerror}\n")


def _signal_group(child: subprocess.Popen[bytes], ending: signal.Signals) -> None:
    try:
        if hasattr(os, "killpg"):
            os.killpg(child.pid, ending)
        else:
            child.send_signal(ending)
    except ProcessLookupError:
        pass


def _end_session(session: int) -> None:
    """End what is left of the child's session, where there is a /proc: nsys puts programs in groups of their own."""
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text(errors="replace").rpartition(")")[2].split()  # state, ppid, pgrp, session, ...
            if int(fields[3]) == session:
                os.kill(int(stat.parent.name), _ENDINGS[-1])
        except (OSError, ValueError, IndexError):
            continue  # it ended meanwhile, or is another user's


@contextmanager
def _ended_in_order() -> Iterator[None]:
    """SIGTERM and a closed terminal are a Ctrl-C: the child is in another group, and would run on."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(number: int, frame: Any) -> None:
        raise KeyboardInterrupt

    names = ("SIGTERM", "SIGHUP")
    before = {number: signal.signal(number, interrupt) for name in names if (number := getattr(signal, name, None))}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _relay(output: IO[bytes], log: Log, kept: deque[str]) -> None:
    """Pass output on as it comes, also of a line that is not at its end yet."""
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    while data := os.read(output.fileno(), 1 << 16):
        text = decoder.decode(data)
        _show(text)
        log.write(text.replace("\r", "\n"))
        first, *others = text.replace("\r", "\n").split("\n")
        kept[-1] += first
        kept.extend(others)


def _show(text: str) -> None:
    try:
        sys.stderr.write(text)
        sys.stderr.flush()
    except (OSError, UnicodeEncodeError):
        pass
