"""A set as a reader sees it: goldens, widths, terminals, hostile names, and the schema of its JSON."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import tcscope
from tcscope.analysis.many.answers import Answer
from tcscope.analysis.many.combine import trace_set
from tcscope.model import Finding, Level, Op, Precision, Report, Selection, Unit
from tcscope.model.many import TraceSet
from tcscope.render.many import terminal
from tcscope.render.many import text as many_text
from tcscope.render.many.comma import traces_csv
from tcscope.render.many.markdown import as_markdown
from tests.support.checks import ENDLESS, FFMA, HMMA, HOSTILE
from tests.support.reports import GTX, H100, REPORTS, kernel, report

Golden = Callable[[str, str], None]
SCHEMA = Path(tcscope.__file__).parent / "model" / "set.schema.json"


def one(*kernels: tuple[str, Unit, Precision, int], share: float | None = None, **fields: object) -> Report:
    made = report(*(kernel(name, unit, Op.GEMM, ns, precision=p) for name, unit, p, ns in kernels))
    low = None if share is None else replace(made.tensor_share, low=share, high=share)
    made = replace(made, tensor_share=low or made.tensor_share)
    return replace(made, **fields)  # type: ignore[arg-type]


def ranks() -> TraceSet:
    tensor, cuda = Unit.TENSOR_CORE, Unit.CUDA_CORE
    fp16, fp32 = Precision.FP16, Precision.FP32
    usual = one((HMMA, tensor, fp16, 5_000_000), ("relu", cuda, fp32, 437_102), share=0.9196)
    slow = one((HMMA, tensor, fp16, 5_400_000), (FFMA, cuda, fp32, 1_512_000), share=0.7813)
    odd = one((HMMA, Unit.UNKNOWN, Precision.UNKNOWN, 5_100_000), ("relu", cuda, fp32, 440_000))
    bracket = replace(odd.tensor_share, low=0.0, high=0.9205)
    warning = Finding("opaque-graphs", Level.WARNING, 9_000_000, "10 CUDA graph launches hide their kernels", "record")
    odd = replace(odd, tensor_share=bracket, findings=(warning,), totals=replace(odd.totals, busy_ns=5_500_000))
    gtx = replace(usual, trace=replace(usual.trace, devices=(GTX,)), tensor_share=replace(odd.tensor_share, low=None))
    part = replace(usual, trace=replace(usual.trace, selection=Selection("inference", 2)))
    every = [usual, usual, odd, slow, None, gtx, part]
    answers = [Answer(r) if r else Answer(None, "rank4.sqlite is empty", "nsys export --type sqlite") for r in every]
    return trace_set([(f"rank{i}.sqlite", answer) for i, answer in enumerate(answers)])


def repeats() -> TraceSet:
    """Three runs of one engine, told apart by the ends of long names alone."""
    times = (5_437_102, 5_441_000, 5_430_999)
    made = [one((HMMA, Unit.TENSOR_CORE, Precision.INT8, ns), share=1.0) for ns in times]
    made = [replace(r, totals=replace(r.totals, busy_ns=r.totals.kernel_ns - 1_000)) for r in made]
    names = [f"resnet50_int8_batch8_h100_cudagraph_2026-11-23_run{i}.sqlite" for i in range(3)]
    return trace_set([(name, Answer(r)) for name, r in zip(names, made, strict=True)])


def hostile() -> TraceSet:
    names = [HOSTILE, ENDLESS, HMMA, "|`x`"]
    first = one((HOSTILE, Unit.TENSOR_CORE, Precision.FP16, 10), (ENDLESS, Unit.CUDA_CORE, Precision.FP32, 3))
    other = one((HOSTILE, Unit.CUDA_CORE, Precision.FP32, 10**15), (ENDLESS, Unit.CUDA_CORE, Precision.FP32, 4))
    third = one((HOSTILE, Unit.CUDA_CORE, Precision.FP32, 1), share=5e17)
    bad = [replace(r, trace=replace(r.trace, devices=(replace(H100, name=HOSTILE),))) for r in (first, other, third)]
    answers = [*map(Answer, bad), Answer(None, HOSTILE, HOSTILE)]
    return trace_set(list(zip(names, answers, strict=True)))


SETS = {"ranks": ranks(), "repeats": repeats(), "hostile": hostile(), "single": trace_set([("a", Answer(report()))])}


@pytest.mark.parametrize("name", SETS)
def test_outputs(name: str, golden: Golden) -> None:
    found = SETS[name]
    golden(f"many_{name}.txt", terminal.as_text(found, top=5))
    golden(f"many_{name}.md", as_markdown(found, top=5))
    golden(f"many_{name}.csv", traces_csv(found))
    golden(f"many_{name}.json", found.to_json())


@pytest.mark.parametrize("name", ["ranks", "repeats", "hostile"])
@pytest.mark.parametrize("width", [60, 80, 120])
def test_lines_fit(name: str, width: int) -> None:
    for line in terminal.as_text(SETS[name], width=width).splitlines():
        assert line == line.rstrip()
        if "hint:" not in line and not (name == "hostile" or width < 80):  # what is to be typed stays whole
            assert len(line) <= width, line


def test_ascii_where_the_stream_has_no_more() -> None:
    for name in ("ranks", "repeats"):
        shown = terminal.as_text(SETS[name], encoding="ascii")
        assert shown.isascii()
        assert "?" not in shown


@pytest.mark.parametrize("full_names", [False, True])
def test_hostile_names_steer_nothing(full_names: bool) -> None:
    steering = re.compile(r"[\x00-\x09\x0b-\x1f\u202e]")
    assert not steering.search(terminal.as_text(hostile(), full_names=full_names))
    assert not steering.search(as_markdown(hostile()))
    assert not steering.search(hostile().to_json())
    assert not steering.search(traces_csv(hostile()))
    assert "<b>" not in as_markdown(hostile())


class Screen(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_gets_colours_and_the_same_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.delenv("NO_COLOR", raising=False)
    screen, pipe = Screen(), io.StringIO()
    terminal.write(ranks(), screen)
    terminal.write(ranks(), pipe)
    shown = re.sub(r"\x1b\[[0-9;]*m", "", screen.getvalue())
    assert "\x1b[" in screen.getvalue()
    assert [line.rstrip() for line in shown.splitlines()] == pipe.getvalue().splitlines()


def test_csv_has_a_row_for_every_trace() -> None:
    rows = list(csv.DictReader(io.StringIO(traces_csv(ranks()))))
    assert [row["file"] for row in rows] == [f"rank{i}.sqlite" for i in range(7)]
    assert [row["error"] for row in rows if row["error"]] == ["rank4.sqlite is empty"]
    assert sum(int(row["kernel_ns"] or 0) for row in rows) == sum(
        member.totals.kernel_ns for member in ranks().traces if member.totals
    )


def test_top_limits_the_kernels_and_says_how_many_more() -> None:
    kernels = [(f"k{i}", Unit.CUDA_CORE, Precision.FP32, 1_000_000 * (i + 1)) for i in range(5)]
    moved = [(name, unit, p, ns + 500_000) for name, unit, p, ns in kernels]
    found = trace_set([("a", Answer(one(*kernels))), ("b", Answer(one(*moved))), ("c", Answer(one(*moved[:1])))])
    shown = terminal.as_text(found, top=2)
    assert "2 more (--top N)" in shown
    assert shown.count("k4") == 1
    assert "k1" not in shown


def test_who_names_as_many_as_fit() -> None:
    called = [f"rank{i}" for i in range(8)]
    assert many_text.who(called, [0, 1]) == "rank0, rank1"
    assert many_text.who(called, range(7), 40, range(8)) == "all but rank7"
    assert many_text.who(called, range(8), 40, range(8)) == "all"
    assert many_text.who(called, [0, 1, 2], 18, range(8)) == "rank0 and 2 more"
    assert many_text.who(["x" * 50, "y"], [0, 1], 20) == "xxxx…xxxx and 1 more"


@given(st.lists(st.text("ab_-/.", min_size=1, max_size=60), min_size=1, max_size=5), st.integers(12, 40))
def test_names_are_cut_to_their_room(files: list[str], room: int) -> None:
    found = trace_set([(file, Answer(report()) if i % 2 else Answer(None, "no")) for i, file in enumerate(files)])
    called = [name for name, member in zip(many_text.names(found, room), found.traces, strict=True) if not member.error]
    assert all(len(name) <= room for name in called)
    assert many_text.names(found) == files


@given(st.lists(REPORTS, min_size=1, max_size=4))
def test_json_keeps_to_its_schema(reports: list[Report]) -> None:
    import jsonschema

    found = trace_set([*((f"rank{i}", Answer(r)) for i, r in enumerate(reports)), ("bad", Answer(None, "unread"))])
    jsonschema.validate(json.loads(found.to_json()), json.loads(SCHEMA.read_text()))
    assert TraceSet.from_dict(json.loads(found.to_json())) == found


def test_the_schema_that_ships_is_that_of_the_code() -> None:
    import jsonschema

    from tcscope.model.schema import set_schema

    assert json.loads(SCHEMA.read_text()) == set_schema(), f"python -m tcscope.model.schema set > {SCHEMA}"
    jsonschema.Draft202012Validator.check_schema(set_schema())
