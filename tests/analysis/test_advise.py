"""Which layers to keep in FP16: held against every subset, and told of two real engines."""

from __future__ import annotations

import shlex
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tcscope import RuleBook
from tcscope.analysis.advise.build import Plan, advise
from tcscope.analysis.advise.choose import FEW, mixes, recommended
from tcscope.analysis.advise.choose import front as front_of
from tcscope.analysis.advise.costs import Costs, Term, When
from tcscope.analysis.advise.cuts import cheapest, hull
from tcscope.analysis.advise.goals import goal_of
from tcscope.analysis.difference.reports import report_for
from tcscope.errors import TraceError, UsageError
from tcscope.model import Dtype
from tcscope.model.advise import Aim, Goal, MixAdvice, Search
from tcscope.model.sensitivity import Metric
from tests.support.facts import A100_FP16, A100_QAT, report_of
from tests.support.mixes import fp16, int8, sensitivity
from tests.support.places import FP16, INT8

MOST = Goal(Aim.RECOVER, 0.8)


@st.composite
def terms_of(draw: st.DrawFn, layers: int) -> Term:
    """A reformat around any layers."""
    when = draw(st.sampled_from(When))
    source = draw(st.integers(0, layers))  # 0: no candidate
    readers = draw(st.integers(1, 2**layers - 1))
    if when is When.KEPT:
        readers, source = readers & -readers, 0
    bit = 1 << source - 1 if source else 0
    readers &= ~bit
    fixed = draw(st.booleans()) or not readers
    return Term(when, draw(st.integers(0, 50)), readers, bit, fixed and when is not When.KEPT)


@st.composite
def costs_of(draw: st.DrawFn, most: int = 7) -> Costs:
    layers = draw(st.integers(1, most))
    losses = draw(st.lists(st.integers(0, 100), min_size=layers, max_size=layers))
    slower = draw(st.lists(st.integers(-60, 60), min_size=layers, max_size=layers))
    terms = draw(st.lists(terms_of(layers), max_size=8))
    return Costs(tuple(float(loss) for loss in losses), tuple(slower), tuple(terms))


@given(costs_of(), st.integers(0, 20))
def test_a_minimum_cut_is_the_cheapest_of_all_mixes(costs: Costs, price: int) -> None:
    def whole(kept: int) -> float:
        return costs.ns(kept) + price * costs.loss(kept)

    best = min(whole(kept) for kept in range(costs.everything + 1))
    assert whole(cheapest(costs, float(price))) == pytest.approx(best, abs=1e-3)


@given(costs_of(5))
@settings(max_examples=40)
def test_no_mix_lies_below_the_hull(costs: Costs) -> None:
    corners = [(costs.loss(kept), costs.ns(kept)) for kept in hull(costs)]
    for (loss, ns), (less, more) in pairwise(corners):
        if loss == less:
            continue
        for kept in range(costs.everything + 1):
            at = costs.loss(kept)
            if less <= at <= loss:
                assert costs.ns(kept) >= ns + (more - ns) * (loss - at) / (loss - less) - 1e-3


@given(costs_of())
def test_the_front_is_what_no_other_mix_beats(costs: Costs) -> None:
    everything = list(range(costs.everything + 1))
    found = front_of(costs, everything)
    points = {(costs.ns(kept), costs.loss(kept)) for kept in found}
    for kept in everything:
        ns, loss = costs.ns(kept), costs.loss(kept)
        beaten = any(t <= ns and a <= loss and (t, a) != (ns, loss) for t, a in points)
        assert beaten != ((ns, loss) in points)


@given(costs_of(), st.integers(0, 300))
def test_the_recommended_mix_is_the_best_of_all_for_each_goal(costs: Costs, value: int) -> None:
    everything = list(range(costs.everything + 1))
    # the fastest that loses no more
    kept, reached = recommended(costs, everything, Goal(Aim.MAX_LOSS, value))
    assert reached
    assert costs.ns(kept) == min(costs.ns(k) for k in everything if costs.loss(k) <= value)
    # the least loss in that time
    able = [k for k in everything if costs.ns(k) <= value]
    kept, reached = recommended(costs, everything, Goal(Aim.MAX_SLOWER, value))
    assert reached
    assert costs.loss(kept) == min(costs.loss(k) for k in able)


@pytest.mark.parametrize("layers", [1, 5, FEW])
@given(data=st.data())
@settings(max_examples=5, deadline=None)
def test_four_fifths_of_the_loss_come_back_with_the_fewest_layers_of_any_subset(
    layers: int, data: st.DataObject
) -> None:
    numbers = st.floats(0.0, 1.0, width=32)
    losses = data.draw(st.lists(numbers, min_size=layers, max_size=layers).filter(lambda found: sum(found) > 0.01))
    plan = Plan(fp16([40_000] * layers), int8([20_000] * layers), sensitivity(losses), MOST)
    advice = plan.advice()
    assert advice.search is Search.ALL
    assert advice.recommended is not None
    assert advice.recommended.recovered >= 0.8
    whole = sum(losses)

    def enough(kept: int) -> bool:
        return sum(loss for at, loss in enumerate(losses) if not kept >> at & 1) <= 0.2 * whole * (1 + 1e-12)

    fewest = min(kept.bit_count() for kept in range(2**layers) if enough(kept))
    assert len(advice.recommended.keep) == fewest


@given(st.lists(st.integers(1, 1000), min_size=FEW + 1, max_size=40))
@settings(max_examples=8, deadline=None)
def test_many_layers_too_need_no_more_than_the_costliest_ones(losses: list[int]) -> None:
    many = len(losses)
    advice = advise(fp16([40_000] * many), int8([20_000] * many), sensitivity([loss / 1000 for loss in losses]), MOST)
    assert advice.search is Search.CUTS
    assert advice.recommended is not None
    ordered, left, fewest = sorted(losses, reverse=True), sum(losses), 0
    while left > 0.2 * sum(losses) + 1e-9:
        left -= ordered[fewest]
        fewest += 1
    assert len(advice.recommended.keep) == fewest
    assert advice.recommended.recovered >= 0.8 - 1e-12


@given(costs_of(9))
@settings(max_examples=15, deadline=None)
def test_local_search_over_cuts_comes_near_the_best_of_all(costs: Costs) -> None:
    corners = {*hull(costs)}
    everything = list(range(costs.everything + 1))
    for kept in corners:
        best = min(costs.ns(k) for k in everything if costs.loss(k) <= costs.loss(kept))
        assert costs.ns(kept) == pytest.approx(best, abs=1e-3)


class TestReformats:
    """A chain in INT8 whose input is quantized in 5 us; its output is written in FP16."""

    BASE, NEW = fp16([30_000] * 3), int8([20_000] * 3)

    def ns(self, *kept: int) -> int:
        plan = Plan(self.BASE, self.NEW, sensitivity([0.1] * 3), MOST)
        return round(plan.costs.ns(sum(1 << at for at in kept)))

    def test_a_layer_between_others_needs_one_before_and_one_behind(self) -> None:
        assert self.ns(1) == 10_000 + 2 * 5_000

    def test_the_first_layer_saves_that_of_the_input_and_needs_one_behind(self) -> None:
        assert self.ns(0) == 10_000 - 5_000 + 5_000

    def test_the_last_layer_needs_one_before(self) -> None:
        assert self.ns(2) == 10_000 + 5_000

    def test_neighbours_need_none_between_them(self) -> None:
        assert self.ns(0, 1) == 2 * 10_000 - 5_000 + 5_000
        assert self.ns(1, 2) == 2 * 10_000 + 5_000

    def test_all_layers_take_what_the_fp16_engine_takes(self) -> None:
        plan = Plan(self.BASE, self.NEW, sensitivity([0.1] * 3), MOST)
        everything = plan.advice(0b111).recommended
        assert everything is not None
        assert everything.ns == self.BASE.totals.kernel_ns

    def test_an_int8_layer_may_write_fp16_itself_so_the_low_end_counts_none_there(self) -> None:
        mix = Plan(self.BASE, self.NEW, sensitivity([0.1] * 3), MOST).advice(0b010).recommended
        assert mix is not None
        # nor is the size of the reformats known, of which there is but one
        assert (mix.low_ns, mix.ns, mix.high_ns) == (65_000 + 10_000, 65_000 + 20_000, 65_000 + 20_000)

    def test_without_tensors_layers_feed_the_next_one_that_runs(self) -> None:
        bare = [
            replace(r, layers=tuple(replace(x, inputs=(), outputs=()) for x in r.layers)) for r in (self.BASE, self.NEW)
        ]
        # what a reformat converts is then known by its kernel alone
        rows = tuple(replace(row, src=Dtype.FP16, dst=Dtype.INT8) for row in self.NEW.reformats)
        plan = Plan(bare[0], replace(bare[1], reformats=rows), sensitivity([0.1] * 3), MOST)
        assert [round(plan.costs.ns(kept)) for kept in (0b001, 0b010, 0b110)] == [10_000, 20_000, 25_000]


class TestA100:
    """The public ResNet-18 engines; the losses are made up: large at both ends of the network."""

    NUMBERS = (0, 3, 5, 8, 10, 13, 15, 16, 19, 21, 24, 26, 27, 30, 32, 35, 37, 38, 41, 43)
    NAMES = (*(f"Conv_{number}" for number in NUMBERS), "Gemm_48")
    MADE_UP = sensitivity([0.01, *[0.0005] * 19, 0.004], NAMES)

    def advice(self, goal: Goal = MOST) -> MixAdvice:
        return advise(report_of(A100_FP16), report_of(A100_QAT), self.MADE_UP, goal)

    def test_conv1_is_the_first_layer_to_keep(self) -> None:
        advice = self.advice()
        first = advice.kept[0]
        assert (first.name, first.new) == ("Conv_0", ("conv1.weight + QuantizeLinear_7 + Conv_9",))
        assert (first.fp16_ns, first.int8_ns) == (111_616, 201_728)
        assert "faster in FP16, left the Tensor Cores" in first.why
        assert advice.recommended is not None
        assert advice.recommended.keep[0] == "Conv_0"

    def test_any_time_that_is_allowed_goes_to_conv1_first(self) -> None:
        for share in (0.0, 0.02):
            assert "Conv_0" in {choice.name for choice in self.advice(Goal(Aim.MAX_SLOWER, share)).kept}

    def test_its_reformats_are_those_of_both_ledgers(self) -> None:
        # QuantizeLinear_2 (61.4 us) goes, the FP16 engine's conversion of its input (80.9 us) comes
        assert self.advice().kept[0].reformat_ns == 80_896 - 61_440

    def test_the_mix_is_faster_than_either_engine_says_of_int8(self) -> None:
        advice = self.advice()
        assert advice.recommended is not None
        assert advice.recommended.low_ns <= advice.recommended.ns <= advice.recommended.high_ns < advice.new_ns

    def test_every_layer_in_fp16_takes_about_what_the_fp16_engine_took(self) -> None:
        safest = self.advice().front[-1]
        assert len(safest.keep) == len(self.NAMES)
        # pooling and its reformats are no layers to choose: they are counted as in INT8
        assert 0 <= safest.ns - 1_016_832 <= 0.09 * 1_016_832

    def test_modules_are_found_by_their_weights(self) -> None:
        table = sensitivity([0.1, 0.2], ["conv1", "layer1.0.conv1"])
        found = advise(report_of(A100_FP16), report_of(A100_QAT), table, MOST)
        assert {c.name: c.base for c in found.choices} == {
            "conv1": ("Conv_0 + Relu_1",),
            "layer1.0.conv1": ("Conv_3 + Relu_4",),
        }


class TestH100:
    """ResNet-18 of TensorRT 8.6, with the names of the ONNX file."""

    def test_every_convolution_of_a_real_trace_is_found(self) -> None:
        base, new = (report_for(path, RuleBook.builtin(), None, None, None, 0) for path in (FP16, INT8))
        first = [layer.name.split(" + ")[0] for layer in new.layers]
        nodes = [name for name in first if name.endswith("/Conv") and name.startswith("/")]
        table = sensitivity([0.001 * at for at in range(1, len(nodes) + 1)], nodes)
        advice = advise(base, new, table, MOST)
        assert len(advice.choices) == len(nodes) == 15
        assert advice.per == "inference"
        assert not advice.unmatched
        assert [finding.code for finding in advice.findings] == ["layers-without-loss", "reformat-sizes-not-known"]
        assert all(0 < choice.int8_ns < 100_000 for choice in advice.choices)


def reads(arguments: str) -> dict[str, str]:
    """What trtexec makes of --layerPrecisions."""
    words = shlex.split(arguments)
    assert words[:3] == ["--int8", "--fp16", "--precisionConstraints=obey"]
    (spec,) = [word.partition("=")[2] for word in words if word.startswith("--layerPrecisions=")]
    return {name: precision for name, _, precision in (entry.rpartition(":") for entry in spec.split(","))}


def test_trtexec_reads_the_names_that_are_kept() -> None:
    names = ["/conv 0/Conv", "/b:1/Conv", "/c$2/Conv"]
    plan = Plan(fp16([40_000] * 3, names), int8([20_000] * 3, names), sensitivity([0.1] * 3, names), MOST)
    assert reads(plan.advice(0b111).arguments) == dict.fromkeys(names, "fp16")


def test_a_name_that_trtexec_cannot_take_is_told() -> None:
    names = ["/a,*b/Conv", "/b/Conv"]
    plan = Plan(fp16([40_000] * 2, names), int8([20_000] * 2, names), sensitivity([0.1] * 2, names), MOST)
    advice = plan.advice(0b11)
    assert reads(advice.arguments) == {"/b/Conv": "fp16"}
    assert advice.unnamed == ("/a,*b/Conv",)
    assert advice.nodes == ("/a,*b/Conv", "/b/Conv")


class TestNames:
    def test_what_the_traces_lack_stands_beside_the_nearest(self) -> None:
        table = sensitivity([0.1, 0.3], ["/conv0/Conv", "/conv1/Convolution"])
        advice = advise(fp16([40_000] * 2), int8([20_000] * 2), table, MOST)
        (stray,) = advice.unmatched
        assert (stray.name, stray.nearest[0]) == ("/conv1/Convolution", "/conv1/Conv")
        said = {finding.code: finding.message for finding in advice.findings}
        assert "/conv1/Convolution (nearest: /conv1/Conv" in said["layers-not-found"]
        # its loss stays: three quarters can't be won back
        assert "goal-not-reached" in said
        assert advice.recommended is not None
        assert advice.recommended.recovered == pytest.approx(0.25)

    def test_no_known_name_is_an_error_that_shows_them_side_by_side(self) -> None:
        with pytest.raises(TraceError, match=r"none of the 1 layer .*'conv0.Conv' is nearest to '/conv0/Conv'"):
            advise(fp16([1]), int8([1]), sensitivity([0.1], ["conv0.Conv"]), MOST)

    def test_traces_the_wrong_way_round_are_told(self) -> None:
        with pytest.raises(TraceError, match="runs none of the sensitivity's layers in INT8") as raised:
            advise(int8([20_000]), fp16([40_000]), sensitivity([0.1]), MOST)
        assert "INT8 trace second" in raised.value.hint

    def test_traces_without_layers_are_told(self) -> None:
        bare = [replace(report, layers=(), layering=None) for report in (fp16([1]), int8([1]))]
        with pytest.raises(TraceError, match="don't both have layers"):
            advise(bare[0], bare[1], sensitivity([0.1]), MOST)


def test_single_losses_are_scaled_to_what_all_layers_lose_together() -> None:
    table = replace(sensitivity([0.1, 0.3], whole=0.8), interaction=2.0)
    advice = advise(fp16([40_000] * 2), int8([20_000] * 2), table, MOST)
    assert advice.loss == pytest.approx(0.8)
    assert [choice.loss for choice in advice.choices] == pytest.approx([0.6, 0.2])
    assert "layers-interact" in [finding.code for finding in advice.findings]


@pytest.mark.parametrize(
    ("text", "metric", "loss"),
    [("1dB", "sqnr", 10**0.1 - 1), ("2%", "sqnr", 0.02), ("0.5", "m.py:accuracy", 0.5), ("1%", "m.py:accuracy", 0.009)],
)
def test_a_loss_is_read_in_the_unit_of_the_metric(text: str, metric: str, loss: float) -> None:
    table = replace(sensitivity([0.1]), metric=Metric(metric), fp32=0.9)
    goal = goal_of(text, None, table)
    assert (goal.aim, goal.text) == (Aim.MAX_LOSS, text)
    assert goal.value == pytest.approx(loss)


@pytest.mark.parametrize("typed", [("1", None), ("-1dB", None), ("much", None), (None, "2"), (None, "fast")])
def test_a_goal_that_is_none_is_an_error(typed: tuple[str | None, str | None]) -> None:
    with pytest.raises(UsageError, match=r"--max-(loss|slower)"):
        goal_of(*typed, sensitivity([0.1]))


@given(costs_of(3))
def test_what_is_searched_of_few_layers_is_everything(costs: Costs) -> None:
    assert mixes(costs) == list(range(2 ** len(costs.losses)))


def test_the_document_reads_itself() -> None:
    advice = advise(fp16([40_000] * 3), int8([20_000] * 3), sensitivity([0.1, 0.2, 0.3]), MOST)
    assert MixAdvice.from_dict(advice.to_dict()) == advice
