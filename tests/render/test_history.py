"""The trend of a metric as a reader sees it."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable
from dataclasses import replace

import pytest

from tcscope.model.check import Measure, Outcome
from tcscope.model.history import Point, Series, Trend
from tcscope.render import history
from tests.support.checks import HOSTILE

Golden = Callable[[str, str], None]
GPU = "NVIDIA H100 80GB HBM3 sm_90"


def points(*values: float | None, changed: tuple[int, ...] = (), failed: tuple[int, ...] = ()) -> tuple[Point, ...]:
    made: list[Point] = []
    before: float | None = None
    for number, value in enumerate(values):
        change = None if value is None or before is None else value - before
        outcome = Outcome.FAILED if number in failed else Outcome.PASSED
        time = f"2026-11-{number + 1:02}T06:07:08"
        made.append(Point(f"{number:x}c0ffee{number:033x}", time, outcome, value, change, number in changed))
        before = before if value is None else value
    return tuple(made)


def trends() -> dict[str, Trend]:
    shares = points(0.8364, 0.8364, 0.8366, 0.11, 0.11, None, 0.8364, changed=(3, 6), failed=(3, 4))
    times = points(396_367, 397_001, 396_367, 271_902, 272_000, changed=(3,))
    rule = "by more than 1% and the noise of its instances, or 5% where that isn't known"
    return {
        "share": Trend(
            "tensor_share",
            Measure.SHARE,
            "by more than 0.1 pp",
            (Series("resnet18s.sqlite", GPU, "range 'inference'", shares, 12),),
        ),
        "time": Trend(
            'kernel["*ffma*"].kernel_time',
            Measure.TIME,
            rule,
            (Series("a.sqlite", GPU, "", times), Series("b.sqlite", "", "", points(0, 0))),
        ),
        "count": Trend("launches", Measure.COUNT, "by any number", (Series("a.sqlite", GPU, "", points(1640, 1650)),)),
    }


@pytest.mark.parametrize("name", trends())
def test_outputs(name: str, golden: Golden) -> None:
    found = trends()[name]
    golden(f"history_{name}.txt", history.as_text(found))
    golden(f"history_{name}.csv", history.as_csv(found))
    golden(f"history_{name}.json", found.to_json())


@pytest.mark.parametrize("name", trends())
@pytest.mark.parametrize("width", [60, 80, 120])
def test_lines_fit(name: str, width: int) -> None:
    for line in history.as_text(trends()[name], width=width).splitlines():
        assert line == line.rstrip()
        assert len(line) <= width


@pytest.mark.parametrize(
    ("values", "bars"),
    [
        ([0, 1, 2, 3, 4, 5, 6, 7], "▁▂▃▄▅▆▇█"),
        ([5, 5, 5], "▄▄▄"),
        ([1, None, 2], "▁?█"),
        ([None], "?"),
        ([], ""),
        ([0.5, 0.1], "█▁"),
    ],
)
def test_sparkline(values: list[float | None], bars: str) -> None:
    assert history.sparkline(values) == bars


def test_a_long_trend_is_drawn_by_its_end() -> None:
    long = Trend("launches", Measure.COUNT, "", (Series("a", "", "", points(*range(1, 29), *[None] * 200)),))
    drawn = next(line for line in history.as_text(long, width=60).splitlines() if line.startswith("trend"))
    assert drawn == "trend   " + "?" * 52


def test_ascii_where_the_stream_has_no_more() -> None:
    for found in trends().values():
        shown = history.as_text(found, encoding="ascii")
        assert shown.isascii()
        assert "* " in shown or not any(point.changed for series in found.series for point in series.points)
    assert "trend   %%%__?%" in history.as_text(trends()["share"], encoding="ascii").replace("#", "%")


def test_csv_holds_zeros_and_what_isn_t_known() -> None:
    rows = list(csv.DictReader(io.StringIO(history.as_csv(trends()["share"]))))
    assert [row["value"] for row in rows][3:6] == ["0.11", "0.11", ""]
    assert [row["changed"] for row in rows] == ["0", "0", "0", "1", "0", "0", "1"]
    assert rows[1]["change"] == "0.0"
    assert {row["commit"] for row in rows} >= {"0c0ffee" + "0" * 33}


def test_hostile_names_steer_nothing() -> None:
    (series,) = trends()["share"].series
    bad = replace(series, trace=HOSTILE, gpu=HOSTILE, selection=HOSTILE)
    bad = replace(bad, points=(replace(series.points[0], commit=HOSTILE, time=HOSTILE),))
    shown = history.as_text(replace(trends()["share"], metric=f'kernel["{HOSTILE}"].share', series=(bad,)), width=160)
    assert not re.search(r"[\x00-\x09\x0b-\x1f\u202e]", shown)
    written = io.StringIO(history.as_csv(replace(trends()["share"], series=(bad,))))
    # Python 3.10 neither writes nor reads a zero byte in CSV
    assert next(csv.DictReader(written))["trace"] == HOSTILE.replace("\0", r"\x00")


class Screen(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_gets_colours_and_the_same_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERM", "xterm-256color")
    screen, pipe = Screen(), io.StringIO()
    history.write(trends()["share"], screen)
    history.write(trends()["share"], pipe)
    assert "\x1b[31m" in screen.getvalue()
    bare = re.sub(r"\x1b\[[0-9;]*m", "", screen.getvalue())
    assert [line.rstrip() for line in bare.splitlines()] == pipe.getvalue().splitlines()
