"""The grammar of conditions: all that makes sense is read, all that doesn't is told with its place."""

from __future__ import annotations

import json
import re
from pathlib import Path

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tcscope
from tcscope.analysis.budget.budget import read_entry
from tcscope.analysis.budget.grammar import TIME_UNITS, Expression, Metric, Quantity, Value, parse
from tcscope.analysis.budget.metrics import complaints, measure_of
from tcscope.analysis.budget.schema import budget_schema, condition_pattern
from tcscope.model import Op, Precision, Unit
from tcscope.model.check import Clause, Measure, Scope

SCHEMA = Path(tcscope.__file__).parent / "model" / "budget.schema.json"
SHARES = (
    *("tensor_share", "eligible_tensor_share", "unknown_share", "reformat_share"),
    *(f"unit.{word}.share" for word in Unit),
    *(f"precision.{word}.share" for word in Precision),
    *(f"op.{word}.share" for word in Op),
)
NUMBERS = {
    Measure.SHARE: SHARES,
    Measure.TIME: ("kernel_time", "kernel_time_per_range", "reformat_time"),
    Measure.COUNT: ("launches",),
}
SCOPES = ("", 'layer["/conv1/*"].', "kernel['*ffma*'].")
VALUES = {
    Measure.SHARE: ("75%", "0.75", "0", "baseline", "baseline - 2pp", "baseline + 5%"),
    Measure.TIME: ("1.2ms", "3 us", "17ns", "0.5s", "baseline", "baseline + 5%", "baseline - 12us"),
    Measure.COUNT: ("42", "baseline", "baseline + 5%", "baseline - 2"),
}
METRICS = [
    *((scope + name, measure) for measure, names in NUMBERS.items() for name in names for scope in SCOPES),
    ("opaque_share", Measure.SHARE),
    *((scope + "share", Measure.SHARE) for scope in SCOPES[1:]),
]
WORDS = {"unit": "tensor_core", "precision": "int8", "op": "conv"}
GOOD = [f"{m} {o} {v}" for m, measure in METRICS for o in ("<", "<=", ">", ">=") for v in VALUES[measure]]
GOOD += [f"{scope}{name} {o} {word}" for scope in SCOPES[1:] for name, word in WORDS.items() for o in ("==", "!=")]
GOOD += [f"layer['/conv1/*'].{name} {o} baseline" for name in WORDS for o in ("==", "!=")]


def problems(text: str) -> list[str]:
    made, wrong = read_entry(text, Clause.FAIL_ON, "tcscope.yaml", 4, 5)
    assert (made is None) is bool(wrong)
    return wrong


def test_every_metric_takes_every_operator_and_every_form_of_value() -> None:
    pattern = re.compile(condition_pattern())
    assert len(GOOD) > 2000
    for text in GOOD:
        assert problems(text) == [], text
        assert pattern.match(text), text


WRONG = {
    # metrics
    "tensr_share < 75%": (1, "no metric 'tensr_share', did you mean 'tensor_share'?"),
    "speed < 75%": (1, "no metric 'speed': one of tensor_share, "),
    "tensor_share.low < 75%": (14, "'tensor_share' has no part 'low'"),
    "unit.tensr_core.share < 5%": (6, "no unit 'tensr_core', did you mean 'tensor_core'?"),
    "precision.float.share < 5%": (11, "no precision 'float': one of fp64, fp32"),
    "op.cnv.share < 5%": (4, "no op 'cnv', did you mean 'conv'?"),
    "unit.tensor_core < 5%": (6, "write unit.tensor_core.share"),
    "unit.tensor_core.time < 5%": (18, "write unit.tensor_core.share"),
    "unit == tensor_core": (1, "'unit' is of layers or kernels: layer[\"NAME\"].unit, or unit.tensor_core.share"),
    "share > 5%": (1, "'share' is of layers or kernels: layer[\"NAME\"].share"),
    'layer["a"].opaque_share > 5%': (12, "'opaque_share' is of a whole trace, not of a layer"),
    'layer["a"].precison == int8': (12, "no metric 'precison', did you mean 'precision'?"),
    # operators
    "tensor_share == 75%": (14, "== compares words; a share takes < <= > >="),
    "kernel_time != 1ms": (13, "!= compares words; a time takes < <= > >="),
    'layer["a"].unit < tensor_core': (17, "unit is a word: compare it with == or !="),
    "tensor_share = 75%": (14, "'=' has no meaning here: write =="),
    "tensor_share 75%": (14, "expected one of < <= > >= == !=, not '75'"),
    "tensor_share <> 75%": (15, "expected a value, such as 75%, 1.2ms or baseline, not '>'"),
    # values of a share
    "tensor_share < 1.2ms": (16, "1.2ms is a time, not a share: write 75% or baseline + 2pp"),
    "tensor_share < 2pp": (16, "pp are points of difference: baseline - 2pp, or an absolute 2%"),
    "tensor_share < 75": (16, "a share is 75% or less than 1"),
    "tensor_share < 1": (16, "a share is 1% or less than 1"),
    "tensor_share < 101%": (16, "no share is 101%: at most 100%"),
    "tensor_share < basline": (16, "tensor_share is a share, and 'basline' is none, did you mean 'baseline'?"),
    "tensor_share < fp16": (16, "tensor_share is a share, and 'fp16' is none: write 75% or baseline + 2pp"),
    "tensor_share < baseline - 2us": (16, "2us is no difference of shares: write baseline + 2pp"),
    "tensor_share < baseline - 0.02": (16, "0.02 is no difference of shares: write baseline + 2pp"),
    # of a time
    "kernel_time > 1.2": (15, "a time needs its unit: write 1.2ms or baseline + 5%"),
    "kernel_time > 5%": (15, "5% is no time: write 1.2ms or baseline + 5%"),
    "kernel_time > 5pp": (15, "5pp is no time: write 1.2ms or baseline + 5%"),
    "kernel_time > baseline + 2pp": (15, "2pp is no difference of times: write baseline + 5%"),
    "kernel_time > baseline + 2": (15, "a time needs its unit: write baseline + 5%"),
    "kernel_time > 5 sec": (17, "'sec' is no unit: one of % pp s ms us ns"),
    # of a number of launches
    "launches > 2.5": (12, "2.5 is no number of launches: write 42 or baseline + 2"),
    "launches > 5%": (12, "5% is no number of launches: write 42 or baseline + 2"),
    "launches > baseline + 1ms": (12, "1ms is no number of launches: write baseline + 2"),
    # of a word
    'layer["a"].unit == tensorcore': (20, "no unit 'tensorcore', did you mean 'tensor_core'?"),
    'layer["a"].unit == fp16': (20, "no unit 'fp16': one of tensor_core, cuda_core, unknown"),
    'layer["a"].op == 5%': (18, "op is a word, not 5%: one of gemm, "),
    'layer["a"].unit != baseline - 2pp': (20, "unit is a word: nothing can be added to it"),
    'kernel["a"].unit != baseline': (21, "a kernel's unit is in its name, and never differs: give a layer"),
    # the rest of the grammar
    "": (1, "expected a metric, such as tensor_share, but the condition ends"),
    "tensor_share": (13, "expected one of < <= > >= == !=, but the condition ends"),
    "tensor_share <": (15, "expected a value, such as 75%, 1.2ms or baseline, but the condition ends"),
    "tensor_share < baseline -": (26, "expected a number, but the condition ends"),
    "tensor_share < -5%": (16, "expected a value, such as 75%, 1.2ms or baseline, not '-'"),
    "tensor_share < 75% and launches > 3": (20, "'and' is too much: one condition an entry"),
    "tensor_share. < 75%": (15, "expected a word after '.', not '<'"),
    "layer[a].unit == int8": (7, "expected a name in quotes, not 'a'"),
    'layer["a.unit == int8': (7, 'the quote " is never closed'),
    'layer["a"] == int8': (12, "expected '.' and what of it, such as .kernel_time, not '=='"),
    'layer["a".unit == int8': (10, "expected ']', not '.'"),
    "layer.unit == int8": (6, "expected '[\"NAME\"]' after layer, not '.'"),
    "tensor_share < 75% # low": (20, "'#' has no meaning here"),
    "__import__('os')": (11, "'(' has no meaning here"),
}


@pytest.mark.parametrize("text", WRONG)
def test_what_makes_no_sense_is_told_with_its_place(text: str) -> None:
    column, message = WRONG[text]
    first = problems(text)[0]
    assert first.startswith(f"tcscope.yaml:4:{4 + column}: {message}"), first


def test_a_wrong_condition_of_the_command_line_is_quoted() -> None:
    _, wrong = read_entry("tensor_share < 75", Clause.FAIL_ON, "--fail-on")
    assert wrong == ["--fail-on 'tensor_share < 75': a share is 75% or less than 1 (column 16)"]


def test_all_that_is_wrong_with_a_condition_comes_at_once() -> None:
    assert len(problems('layer["a"].unit < fp16')) == 2


NAMES = st.text(st.characters(exclude_categories=["Cs"]), max_size=12) | st.sampled_from(["*ffma*", 'a"b', "a\\", "'"])
NUMBER = st.from_regex(r"[0-9]{1,4}(\.[0-9]{1,3})?", fullmatch=True)
QUANTITIES = st.builds(Quantity, NUMBER, st.sampled_from(["", "%", "pp", *TIME_UNITS]))
WORD = st.sampled_from(["tensor_core", "fp16", "conv", "x_1"])
VALUE = (
    st.builds(Value, QUANTITIES)
    | st.builds(Value, word=WORD)
    | st.just(Value(baseline=True))
    | st.builds(Value, QUANTITIES, baseline=st.just(True), sign=st.sampled_from("+-"))
)
METRIC = st.builds(Metric, st.sampled_from([name for names in NUMBERS.values() for name in names])) | st.builds(
    Metric, st.sampled_from(["unit", "share", "op.conv.share"]), st.sampled_from(Scope), NAMES
)
EXPRESSIONS = st.builds(Expression, METRIC, st.sampled_from(["<", "<=", ">", ">=", "==", "!="]), VALUE)


@given(EXPRESSIONS)
def test_a_condition_reads_as_it_prints(expression: Expression) -> None:
    parsed = parse(str(expression))
    assert parsed.expression == expression
    text = str(expression)
    assert text[parsed.operator_at :].startswith(expression.operator)
    assert text[parsed.value_at :] == str(expression.value)
    assert text[parsed.words_at[0] :].startswith(expression.metric.name)


@given(st.text(max_size=40) | st.lists(st.sampled_from([*"[]\"'.<>=!%+-", "layer", "baseline", "1", " "])).map("".join))
def test_any_text_is_a_condition_or_a_complaint_with_a_place_in_it(text: str) -> None:
    for line in problems(text):
        where, _, said = line.partition(": ")
        assert said
        assert 5 <= int(where.rsplit(":", 1)[1]) <= 5 + len(text)


def test_what_the_schema_refuses_the_parser_refuses() -> None:
    pattern = re.compile(condition_pattern())
    for text in WRONG:
        if pattern.match(text):  # the pattern tells the spelling, the parser also what a number can be
            assert text in {"tensor_share < 101%", 'kernel["a"].unit != baseline'}


def test_the_schema_that_ships_is_that_of_the_code() -> None:
    said = f"python -m tcscope.analysis.budget.schema > {SCHEMA}"
    assert json.loads(SCHEMA.read_text()) == budget_schema(), said
    jsonschema.Draft202012Validator.check_schema(budget_schema())


@given(EXPRESSIONS)
def test_a_condition_that_makes_sense_has_a_measure(expression: Expression) -> None:
    wrong = list(complaints(parse(str(expression))))
    if not wrong and not expression.value.baseline:
        is_word = measure_of(expression.metric.name) is Measure.WORD
        assert is_word is bool(expression.value.word)
