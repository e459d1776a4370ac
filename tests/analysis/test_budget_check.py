"""Conditions held against reports whose every metric is worked out on paper."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tcscope.analysis.budget.grammar import Metric
from tcscope.analysis.budget.measure import value
from tcscope.analysis.budget.metrics import measure_of, words_of
from tcscope.analysis.budget.noise import noise
from tcscope.analysis.budget.run import absolute, check
from tcscope.errors import ConfigError, TraceError, UnanswerableError, UsageError
from tcscope.model import Device, Report, Selection
from tcscope.model.check import Check, Clause, Measure, Outcome, Scope
from tests.support.budgets import BASE, CONV, F32, FFMA, GEMM, HMMA, NEW, ODD, REFORMAT, T16, entry, instances, made
from tests.support.reports import GTX, REPORTS, report

# by hand: BASE is conv 600 (tensor_core fp16), gemm 200, reformat 100, unknown 100, in us, and 1 ms in opaque graphs;
# NEW is conv 900 (cuda_core fp32), gemm 400, reformat 200, unknown 500, and 0.5 ms
PAPER = {
    "tensor_share": (Fraction(6, 10), Fraction(0)),
    "eligible_tensor_share": (Fraction(6, 8), Fraction(0)),
    "unknown_share": (Fraction(1, 10), Fraction(5, 20)),
    "opaque_share": (Fraction(1, 2), Fraction(1, 5)),
    "unit.tensor_core.share": (Fraction(6, 10), Fraction(0)),
    "unit.cuda_core.share": (Fraction(3, 10), Fraction(15, 20)),
    "unit.unknown.share": (Fraction(1, 10), Fraction(5, 20)),
    "precision.fp16.share": (Fraction(6, 10), Fraction(0)),
    "precision.fp32.share": (Fraction(2, 10), Fraction(13, 20)),
    "precision.int8.share": (Fraction(0), Fraction(0)),
    "op.conv.share": (Fraction(6, 10), Fraction(9, 20)),
    "op.reformat.share": (Fraction(1, 10), Fraction(2, 20)),
    "kernel_time": (Fraction(1_000_000), Fraction(2_000_000)),
    "kernel_time_per_range": (Fraction(200_000), Fraction(400_000)),
    "reformat_share": (Fraction(1, 10), Fraction(2, 20)),
    "reformat_time": (Fraction(100_000), Fraction(200_000)),
    "launches": (Fraction(5), Fraction(6)),
    'layer["/conv1/*"].kernel_time': (Fraction(600_000), Fraction(900_000)),
    'layer["/conv1/*"].kernel_time_per_range': (Fraction(120_000), Fraction(180_000)),
    'layer["/conv1/*"].share': (Fraction(6, 10), Fraction(9, 20)),
    'layer["/conv1/*"].tensor_share': (Fraction(1), Fraction(0)),
    'layer["/conv1/*"].launches': (Fraction(2), Fraction(3)),
    'layer["*"].share': (Fraction(9, 10), Fraction(15, 20)),
    'layer["*"].unit.cuda_core.share': (Fraction(3, 9), Fraction(1)),
    'layer["/fc/Gemm"].eligible_tensor_share': (Fraction(0), Fraction(0)),
    'layer["Reformatting*"].reformat_share': (Fraction(1), Fraction(1)),
    'layer["Reformatting*"].reformat_time': (Fraction(100_000), Fraction(200_000)),
    'kernel["*ffma*"].share': (Fraction(2, 10), Fraction(13, 20)),
    'kernel["*ffma*"].kernel_time': (Fraction(200_000), Fraction(1_300_000)),
    'kernel["*ffma*"].launches': (Fraction(1), Fraction(4)),
    'kernel["copy?acked*"].reformat_share': (Fraction(1), Fraction(1)),
    'kernel["gone"].share': (Fraction(0), Fraction(0)),
    'kernel["gone"].kernel_time': (Fraction(0), Fraction(0)),
}
COMPARE = {
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
}


def metric_of(text: str) -> Metric:
    return entry(f"{text} < baseline").expression.metric


def forms(measure: Measure, before: Fraction, now: Fraction) -> list[tuple[str, Fraction]]:
    """Values of every form, with what each is: about what is found, so that all operators go both ways."""
    if measure is Measure.SHARE:
        fixed = [("45%", Fraction(45, 100)), ("0.6", Fraction(6, 10)), ("0", Fraction(0)), ("100%", Fraction(1))]
        moved = [("2pp", Fraction(2, 100)), ("30pp", Fraction(30, 100))]
    elif measure is Measure.TIME:
        fixed = [(f"{now}ns", now), ("0.2ms", Fraction(200_000)), ("150us", Fraction(150_000)), ("1s", Fraction(10**9))]
        moved = [("100us", Fraction(100_000)), ("1ms", Fraction(1_000_000))]
    else:
        fixed = [("5", Fraction(5)), ("0", Fraction(0)), ("100", Fraction(100))]
        moved = [("1", Fraction(1)), ("2", Fraction(2))]
    found = [*fixed, ("baseline", before)]
    for sign, factor in (("-", -1), ("+", 1)):
        found += [(f"baseline {sign} {text}", before + factor * number) for text, number in moved]
        found += [(f"baseline {sign} 50%", before + factor * before / 2)]
    return found


def test_every_metric_is_what_paper_says() -> None:
    for text, sides in PAPER.items():
        for found, expected in zip((BASE, NEW), sides, strict=True):
            assert value(metric_of(text), found) == expected, text


@pytest.mark.parametrize("text", PAPER)
def test_every_metric_with_every_operator_and_every_form_of_value_ends_as_it_must(text: str) -> None:
    measure = measure_of(metric_of(text).name)
    before, now = PAPER[text]
    for operator, (form, limit), clause in product(COMPARE, forms(measure, before, now), Clause):
        if text == "opaque_share" and "ns" in form:
            continue
        (ended,) = check(NEW, [entry(f"{text} {operator} {form}", clause)], base=BASE).conditions
        holds = COMPARE[operator](now, limit)
        broken = holds is not (clause is Clause.REQUIRE)
        worse = Outcome.WARNED if clause is Clause.WARN_ON else Outcome.FAILED
        assert ended.outcome is (worse if broken else Outcome.PASSED), ended
        assert ended.limit.value == pytest.approx(float(limit)), ended
        assert ended.found.value == pytest.approx(float(now)), ended
        assert (ended.baseline is not None) is form.startswith("baseline"), ended
        demanded, _, told = ended.expected.partition(" ")
        assert told == ended.limit.text
        assert COMPARE[demanded](now, limit) is not broken, ended


def ended(text: str, new: Report = NEW, base: Report | None = BASE, clause: Clause = Clause.FAIL_ON) -> Outcome:
    return check(new, [entry(text, clause)], base=base).conditions[0].outcome


@pytest.mark.parametrize(
    ("text", "fails"),
    [
        ('layer["/conv1/*"].unit == tensor_core', False),
        ('layer["/conv1/*"].unit != tensor_core', True),
        ('layer["*"].unit == cuda_core', True),
        ('layer["*"].precision == fp16', False),
        ('layer["*"].op == conv', True),
        ('layer["/fc/Gemm"].op != gemm', False),
        ('kernel["*ffma*"].unit == cuda_core', True),
        ('kernel["mystery"].unit != unknown', False),
        ('layer["/conv1/*"].unit != baseline', True),
        ('layer["/conv1/*"].unit == baseline', False),
        ('layer["/fc/Gemm"].unit != baseline', False),
        ('layer["/conv1/*"].op != baseline', False),
        ('layer["*"].precision != baseline', True),
    ],
)
def test_words(text: str, fails: bool) -> None:
    assert (ended(text) is Outcome.FAILED) is fails


def test_a_requirement_holds_for_all_and_a_failure_is_met_by_any() -> None:
    assert ended('layer["*"].unit == cuda_core', clause=Clause.REQUIRE) is Outcome.PASSED
    assert ended('layer["*"].op == conv', clause=Clause.REQUIRE) is Outcome.FAILED
    (found,) = check(NEW, [entry('layer["*"].op == conv', Clause.REQUIRE)]).conditions
    assert [spot.name for spot in found.where] == [GEMM, REFORMAT]
    assert found.message == 'layer["*"].op is 1 gemm, 1 reformat in 2 of 3 layers, must be conv'


def test_one_layer_of_a_pattern_is_enough_to_fail() -> None:
    (found,) = check(BASE, [entry('layer["/*"].unit == cuda_core')]).conditions
    assert (found.outcome, found.where_count, found.where[0].name) == (Outcome.FAILED, 1, GEMM)
    assert found.hint == ""


@pytest.mark.parametrize("text", ['layer["/conv1/*"].unit == tensor_core', "tensor_share >= 60%"])
def test_a_good_trace_that_fails_is_told_of_require(text: str) -> None:
    (found,) = check(BASE, [entry(text)]).conditions
    assert found.outcome is Outcome.FAILED
    assert "require" in found.hint
    assert check(BASE, [entry(text, Clause.REQUIRE)]).conditions[0].outcome is Outcome.PASSED


def test_where_names_what_is_in_the_way() -> None:
    conditions = check(
        NEW, [entry("tensor_share < 50%"), entry("unknown_share > 1%"), entry('kernel["*ffma*"].share > 0%')]
    ).conditions
    assert [[(s.scope, s.name) for s in c.where] for c in conditions] == [
        [(Scope.LAYER, CONV), (Scope.KERNEL, ODD), (Scope.LAYER, GEMM), (Scope.LAYER, REFORMAT)],
        [(Scope.KERNEL, ODD)],
        [(Scope.KERNEL, "conv_ffma_kernel"), (Scope.KERNEL, FFMA)],
    ]
    assert conditions[0].where[0].share == pytest.approx(0.45)


def test_two_numbers_that_differ_never_read_the_same() -> None:
    near = made((600_100, *T16), (200_000, *F32), 100_000, 100_000)
    (found,) = check(near, [entry("tensor_share > baseline"), ], base=BASE).conditions  # fmt: skip
    assert (found.outcome, found.found.text, found.expected) == (Outcome.FAILED, "60.004 %", "<= 60.000 %")


def test_what_moved() -> None:
    found = check(NEW, [entry("launches > 100")], base=BASE)
    assert found.per == "inference"
    row = found.moved[0]
    assert (row.scope, row.name, row.delta_ns, row.cause) == (Scope.LAYER, CONV, 60_000, "left-tensor-cores")
    assert row.before is not None
    assert row.now is not None
    assert (row.before.unit, row.before.precision, row.before.kernel, row.before.cue) == (*T16, HMMA, "884")
    assert (row.now.unit, row.now.precision, row.now.kernel) == (*F32, "conv_ffma_kernel")
    assert [moved.name for moved in found.moved] == [CONV]


def test_what_moved_without_layers_is_kernels() -> None:
    bare = [replace(side, layers=(), layering=None) for side in (BASE, NEW)]
    found = check(bare[1], [entry("launches > 100")], base=bare[0])
    assert {(row.scope, row.name, row.before is None) for row in found.moved} == {
        (Scope.KERNEL, HMMA, False),
        (Scope.KERNEL, "conv_ffma_kernel", True),
    }


def test_the_same_has_not_moved() -> None:
    assert check(BASE, [entry("launches > 100")], base=BASE).moved == ()


# noise: instances of 100 us +- 1 us, whose median absolute deviation is 1 us
QUIET = [99_000, 101_000] * 10
COUNT = len(QUIET)


def timed(times: list[int]) -> Report:
    total = sum(times)
    return made((total - 400, *T16), (200, *F32), 100, 100, times=times)


def test_the_noise_is_three_standard_errors_of_the_difference_of_medians() -> None:
    base, new = timed(QUIET), timed([ns + 500 for ns in QUIET])
    metric = Metric("kernel_time_per_range")
    found = noise(metric, base, new, value(metric, base), value(metric, new))
    assert found is not None
    error = 1.2533 * 1.4826 * 1000 / COUNT**0.5
    assert found.ns == pytest.approx(3 * (2 * error**2) ** 0.5, abs=1)
    assert (found.base_ns, found.now_ns) == (100_000, 100_500)


@pytest.mark.parametrize("name", ["kernel_time", "kernel_time_per_range"])
@pytest.mark.parametrize(("slower", "outcome"), [(1_500, Outcome.WITHIN_NOISE), (2_000, Outcome.FAILED)])
def test_a_time_must_be_slower_than_by_noise(name: str, slower: int, outcome: Outcome) -> None:
    base, new = timed(QUIET), timed([ns + slower for ns in QUIET])  # noise: 1,763 ns an instance
    assert ended(f"{name} > baseline", new, base) is outcome
    assert ended(f"{name} <= baseline", new, base, Clause.REQUIRE) is outcome
    assert ended(f"{name} > baseline", base, new) is Outcome.PASSED


def test_one_slow_instance_is_noise_and_many_are_not() -> None:
    slow = [*QUIET[:-1], QUIET[-1] * 10]
    assert ended("kernel_time > baseline + 5%", timed(slow), timed(QUIET)) is Outcome.WITHIN_NOISE
    assert ended("kernel_time > baseline + 5%", timed([2 * ns for ns in slow]), timed(slow)) is Outcome.FAILED


def test_a_limit_below_the_baseline_asks_for_more_than_no_noise() -> None:
    assert ended("kernel_time > baseline - 5%", timed(QUIET), timed(QUIET)) is Outcome.FAILED
    assert ended("kernel_time > baseline - 1%", timed(QUIET), timed(QUIET)) is Outcome.WITHIN_NOISE


def test_within_noise_says_so_and_passes() -> None:
    found = check(timed([ns + 1_500 for ns in QUIET]), [entry("kernel_time_per_range > baseline")], base=timed(QUIET))
    assert (found.outcome, found.exit_code, found.counts.within_noise) == (Outcome.PASSED, 0, 1)
    assert found.summary == "1 of 1 condition passed, 1 within noise"
    assert found.conditions[0].message.endswith(
        "; within noise: the medians differ by 1.5 us, chance alone by up to 1.8 us"
    )
    assert ended("kernel_time > 1us", timed(QUIET), None) is Outcome.FAILED  # an absolute limit knows no noise


def test_few_instances_have_no_noise_and_the_check_says_so() -> None:
    base, new = timed([100_000] * 3), timed([100_100] * 3)
    found = check(new, [entry("kernel_time > baseline")], base=base)
    assert found.outcome is Outcome.FAILED
    assert found.notes == ("no noise is known for times: that takes a range with at least 5 instances, on both sides",)


def refused(*texts: str, new: Report = NEW, base: Report | None = BASE) -> tuple[str, ...]:
    with pytest.raises(UnanswerableError) as raised:
        check(new, [entry(text) for text in texts], base=base)
    assert raised.value.exit_code == 3
    assert raised.value.hint
    return raised.value.problems


def test_what_a_trace_cannot_answer_comes_at_once() -> None:
    bare = replace(NEW, layers=(), layering=None, iterations=None)
    found = refused(
        "launches > 100", 'layer["a"].unit == conv'.replace("conv", "unknown"), "kernel_time_per_range > 1ms", new=bare
    )
    assert found == (
        "tcscope.yaml:4: t.sqlite has no layers",
        "tcscope.yaml:4: t.sqlite has no range whose instances could be counted",
    )


def test_a_pattern_that_matches_nothing_names_the_nearest() -> None:
    with pytest.raises(UnanswerableError, match="no layer matches '/conv2/Conv'; nearest: /conv1/Conv"):
        check(NEW, [entry('layer["/conv2/Conv"].unit == unknown')])
    with pytest.raises(UnanswerableError, match="no kernel matches 'gemm_ffma_kernal'; nearest: gemm_ffma_kernel"):
        check(NEW, [entry('kernel["gemm_ffma_kernal"].unit == unknown')])
    assert ended('kernel["*gone*"].share > 0%') is Outcome.PASSED


def test_brackets_in_a_pattern_are_only_brackets() -> None:
    name = "{ForeignNode[/a...b*c]}"
    layers = (replace(NEW.layers[0], name=name), *NEW.layers[1:])
    assert ended('layer["{ForeignNode[/a*]}"].unit == cuda_core', replace(NEW, layers=layers), None) is Outcome.FAILED


def test_a_gpu_without_tensor_cores_and_a_trace_without_matrix_work() -> None:
    bare = made((900, *F32), (400, *F32), 200, 500, device=GTX)
    assert "NVIDIA GeForce GTX 1650 has no Tensor Cores" in _said("tensor_share < 5%", bare)
    assert "no matrix work" in _said("eligible_tensor_share < 5%", report(*NEW.kernels[2:]))
    assert "no kernel time" in _said("unknown_share < 5%", report())
    assert ended("kernel_time > 1ms", report(), None) is Outcome.PASSED


def _said(text: str, new: Report) -> str:
    with pytest.raises(TraceError) as raised:
        check(new, [entry(text)])
    return str(raised.value)


def differing(**fields: object) -> Report:
    return replace(NEW, trace=replace(NEW.trace, **fields))  # type: ignore[arg-type]


MISMATCHES = {
    "gpu": (differing(devices=(Device(0, "Orin", 87, 16, True),)), 3),
    "sm": (differing(devices=(replace(NEW.trace.devices[0], sm=87),)), 1),
    "part": (differing(devices=(replace(NEW.trace.devices[0], sm_count=60),)), 1),
    "more": (differing(devices=NEW.trace.devices * 2), 1),
    "range": (differing(selection=Selection("step")), 1),
    "skip": (differing(selection=Selection("inference", 3)), 1),
    "whole": (differing(selection=Selection()), 1),
}


@pytest.mark.parametrize("case", MISMATCHES)
def test_a_baseline_of_something_else_is_refused_unless_allowed(case: str) -> None:
    new, differences = MISMATCHES[case]
    with pytest.raises(UnanswerableError) as raised:
        check(new, [entry("launches > 100")], base=BASE)
    assert len(raised.value.problems) == differences
    assert "--allow-mismatch" in raised.value.hint
    found = check(new, [entry("launches > 100")], base=BASE, allow_mismatch=True)
    assert found.notes == raised.value.problems


def test_what_a_side_does_not_know_is_no_mismatch() -> None:
    found = check(differing(devices=(Device(0),), driver="550.1"), [entry("launches > 100")], base=BASE)
    assert found.notes == ()
    newer = replace(BASE, trace=replace(BASE.trace, driver="535.2"))
    found = check(differing(driver="550.1"), [entry("launches > 100")], base=newer)
    assert found.notes == ("the baseline was recorded with driver 535.2, this with 550.1",)


def test_sums_over_other_numbers_of_inferences_cannot_be_compared() -> None:
    more = replace(NEW, iterations=instances([200_000] * 10))
    for text in ("kernel_time > baseline", 'kernel["*"].kernel_time > baseline', "launches > baseline"):
        assert "the baseline has 5 inferences, t.sqlite 10" in refused(text, new=more)[0]
    assert ended("kernel_time_per_range > baseline", more) is Outcome.PASSED
    assert ended("tensor_share < baseline", more) is Outcome.FAILED


def test_layers_on_one_side_alone_cannot_be_compared() -> None:
    bare = replace(BASE, layers=(), layering=None)
    assert "the baseline can't tell: t.sqlite has no layers" in refused('layer["*"].share > baseline', base=bare)[0]
    assert "reformats can't be compared" in refused("reformat_share > baseline", base=bare)[0]
    assert "not both have them" in refused('layer["*"].unit != baseline', base=bare)[0]


def test_a_check_needs_conditions_and_those_that_name_it_a_baseline() -> None:
    with pytest.raises(UsageError, match="no condition"):
        check(NEW, [])
    with pytest.raises(ConfigError) as raised:
        check(NEW, [entry("launches > baseline"), entry("launches > 3"), entry("kernel_time > baseline", line=None)])
    assert raised.value.problems == (
        "tcscope.yaml:4: 'launches > baseline' needs a baseline",
        "--fail-on: 'kernel_time > baseline' needs a baseline",
    )


def test_a_new_baseline_is_held_against_what_speaks_of_none() -> None:
    rows = [entry("launches > 3"), entry("launches > 3", Clause.WARN_ON), entry("launches > baseline")]
    assert absolute([*rows, entry("launches < 9", Clause.REQUIRE)]) == [rows[0], entry("launches < 9", Clause.REQUIRE)]


def test_the_outcome_of_a_check_is_that_of_its_worst_condition() -> None:
    bad, worse = entry("launches > 3", Clause.WARN_ON), entry("launches > 3")
    good = entry("launches > 300")
    outcomes = [check(NEW, rows).outcome for rows in ([good], [good, bad], [good, bad, worse])]
    assert outcomes == [Outcome.PASSED, Outcome.WARNED, Outcome.FAILED]
    found = check(NEW, [good, bad, worse])
    assert (found.summary, found.exit_code) == ("1 of 3 conditions failed, 1 warned", 1)
    assert Check.from_dict(found.to_dict()) == found


@settings(max_examples=50)
@given(REPORTS, st.sampled_from(["unit", "precision", "op"]))
def test_the_shares_of_all_words_add_up_to_all(found: Report, name: str) -> None:
    if found.totals.kernel_ns:
        shares = [value(Metric(f"{name}.{word}.share"), found) for word in words_of(name)]
        assert sum(shares, Fraction(0)) == 1
        assert value(Metric("unknown_share"), found) == value(Metric("unit.unknown.share"), found)
