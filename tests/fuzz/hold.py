"""What must hold of any command on any input, however broken: `held` runs it and checks."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import io
import os
import re
import signal
import stat
import sys
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from unittest import mock

from hypothesis import HealthCheck, settings

from tcscope.cli import main
from tcscope.data import rules_dir
from tcscope.rulebook import RuleBook
from tcscope.rulebook.load import load_rules, rule_files

SECONDS = 20  # of processor time: far more than any of these inputs needs, far less than a hang
ASLEEP = 90  # of any time: on a busy machine
MOST = int(os.environ.get("TCSCOPE_FUZZ", "0"))

# Of what may reach a terminal only these steer it: a line's end and a tab.
_STEERS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
_COMPLAINT = re.compile(r"error: |  hint: |note: |usage: |wrote ")


def effort(examples: int) -> settings:
    """Hypothesis settings: `examples` of them, or TCSCOPE_FUZZ times as many for a long run."""
    return settings(
        max_examples=examples * max(MOST, 1),
        deadline=None,
        derandomize=not MOST,  # a short run finds what it found before; a long one looks further
        database=None,
        suppress_health_check=list(HealthCheck),
    )


@dataclass(frozen=True)
class Said:
    """How a command ended."""

    code: int
    out: str
    err: str


class _Screen(io.TextIOWrapper):
    """Standard output that is a terminal."""

    def isatty(self) -> bool:
        return True


class HangError(BaseException):
    """A command took longer than SECONDS; no handler for Exception catches it."""


def held(
    *arguments: object,
    folder: Path,
    stdin: bytes = b"",
    codes: tuple[int, ...] = (0, 2, 3),
    goes_on: bool = False,
) -> Said:
    """Run a command whose input lies in `folder`, and check everything that must hold whatever the input is.

    `goes_on`: of several inputs a broken one is reported, and the others answered.
    """
    before = contents(folder)
    said = _run([str(argument) for argument in arguments], stdin)
    context = f"{arguments}\n{said.out[-500:]}\n{said.err[-2000:]}"
    assert "Traceback" not in said.err, context
    assert "tcscope itself failed" not in said.err, context
    assert said.code in codes, context
    lines = said.err.split("\n")
    errors = [line for line in lines if line.startswith("error: ")]
    if said.code in (2, 3):
        assert errors, context
        assert said.code == 2 or len(errors) == 1, context
        assert said.out == "", context
    else:
        assert goes_on or not errors, context
    assert all(_COMPLAINT.match(line) for line in lines if line), context
    assert not _STEERS.search(said.err), context
    assert not _STEERS.search(said.out), context
    assert contents(folder) == before, context
    return said


def contents(folder: Path) -> dict[str, tuple[str, int]]:
    """Every plain file of a folder by its contents and time; no other is opened: a pipe would not answer."""
    found = {}
    for path in sorted(folder.iterdir()):
        state = path.lstat()
        if stat.S_ISREG(state.st_mode):
            found[path.name] = hashlib.sha256(path.read_bytes()).hexdigest(), state.st_mtime_ns
        else:
            found[path.name] = str(state.st_mode), 0
    return found


@functools.cache
def _builtin() -> RuleBook:
    return RuleBook(*load_rules(rule_files([rules_dir()])))


def _load(paths: Iterable[str | Path]) -> RuleBook:
    """`RuleBook.load`, of which the built-in rules are read once: nearly all of a small command's time goes there."""
    given = list(paths)
    return RuleBook(*load_rules(rule_files([*map(Path, given), rules_dir()]))) if given else _builtin()


def _run(arguments: list[str], stdin: bytes) -> Said:
    screen = _Screen if "csv" in arguments else io.TextIOWrapper  # CSV in a pipe is data; what is for people is not
    raw_out, raw_err = io.BytesIO(), io.BytesIO()
    out = screen(raw_out, encoding="utf-8", newline="\n")
    err = io.TextIOWrapper(raw_err, encoding="utf-8", newline="\n", errors="backslashreplace")
    given = io.TextIOWrapper(io.BytesIO(stdin))
    with _no_hang(arguments), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        before, sys.stdin = sys.stdin, given
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error", ResourceWarning)
                with mock.patch.object(RuleBook, "load", _load):
                    code = main(arguments)
        finally:
            sys.stdin = before
    out.flush()
    err.flush()
    return Said(code, raw_out.getvalue().decode(), raw_err.getvalue().decode())


@contextlib.contextmanager
def _no_hang(what: object) -> Iterator[None]:
    def stop(number: int, frame: FrameType | None) -> None:
        said = f"{SECONDS} s of processor time" if number == signal.SIGVTALRM else f"{ASLEEP} s"
        raise HangError(f"{what} took more than {said}")

    clocks = ((signal.SIGVTALRM, signal.ITIMER_VIRTUAL, SECONDS), (signal.SIGALRM, signal.ITIMER_REAL, ASLEEP))
    before = [signal.signal(number, stop) for number, _, _ in clocks]
    for _, clock, seconds in clocks:
        signal.setitimer(clock, seconds)
    try:
        yield
    finally:
        for (number, clock, _), handler in zip(clocks, before, strict=True):
            signal.setitimer(clock, 0)
            signal.signal(number, handler)
