"""The bar on the terminal: after a second, on a terminal only, and gone when the reading is over."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest

from tcscope.cli import main, reading
from tcscope.cli.reading import Bar, reading_shown
from tcscope.progress import tell
from tcscope.sources.nsys import totals
from tests.support.traces import TraceBuilder


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True

    def screen(self) -> str:
        """What the last line shows once all was written."""
        line, at = [" "] * 200, 0
        for character in self.getvalue().rpartition("\n")[2]:
            if character == "\r":
                at = 0
                continue
            line[at], at = character, at + 1
        return "".join(line).rstrip()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [100.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    return now


def test_nothing_is_said_in_the_first_second(clock: list[float]) -> None:
    stream = Terminal()
    bar = Bar(stream)
    clock[0] += 0.9
    bar("launches", 1, 10)
    assert stream.getvalue() == ""
    clock[0] += 0.2
    bar("launches", 5, 10)
    assert stream.screen() == "launches [############            ] 50 % of 10"
    clock[0] += 0.05
    bar("launches", 9, 10)  # too soon after the last one to be read
    assert "90 %" not in stream.getvalue()
    clock[0] += 0.1
    bar("API calls", 1, 3_000_000)
    assert stream.screen() == "API calls [                        ] 0 % of 3,000,000"


def test_it_is_gone_when_all_is_read(clock: list[float]) -> None:
    stream = Terminal()
    bar = Bar(stream)
    clock[0] += 2
    bar("launches", 5, 10)
    bar("launches", 10, 10)
    assert stream.screen() == ""
    assert stream.getvalue().endswith("\r")


def small(path: Path) -> Path:
    builder = TraceBuilder().gpu()
    for at in range(200):
        builder.launch("k", 10 * at, 10 * at + 5)
    return builder.write(path)


def test_a_terminal_sees_the_reading_of_a_trace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    stream = Terminal()
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setattr(reading, "_PATIENCE_S", 0)
    monkeypatch.setattr(reading, "_EVERY_S", 0)
    monkeypatch.setattr(totals, "_ROWS", 10)
    assert main(["analyze", str(small(tmp_path / "t.sqlite"))]) == 0
    assert "launches [###" in stream.getvalue()
    assert "% of 200" in stream.getvalue()
    assert stream.screen() == ""
    assert "%" in capsys.readouterr().out


def test_a_pipe_sees_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(reading, "_PATIENCE_S", 0)
    monkeypatch.setattr(totals, "_ROWS", 10)
    assert main(["analyze", str(small(tmp_path / "t.sqlite"))]) == 0
    assert capsys.readouterr().err == ""


def test_an_error_leaves_no_bar_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = Terminal()
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setattr(reading, "_PATIENCE_S", 0)

    def fail() -> None:
        with reading_shown():
            tell("launches", 1, 2)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert "launches" in stream.getvalue()
    assert stream.screen() == ""
