"""`tcscope advise` as text and Markdown: of the public A100 engines with losses that are made up."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tcscope.analysis.advise.build import Plan
from tcscope.analysis.advise.goals import goal_of
from tcscope.model.advise import MeasuredMix, MixAdvice
from tcscope.render.advise import as_text, thinned
from tcscope.render.advise_files import as_list, as_markdown
from tests.conftest import Golden
from tests.support.facts import A100_FP16, A100_QAT, report_of
from tests.support.mixes import fp16, int8, sensitivity

NAMES = ("Conv_0", "Conv_3", "Conv_5", "Conv_8", "Conv_10", "Conv_13", "Gemm_48", "Conv_99")
LOSSES = (0.01, 0.002, 0.0005, 0.0005, 0.0001, 0.00005, 0.004, 0.0001)


def advice_of(max_loss: str | None = None, max_slower: str | None = None) -> MixAdvice:
    table = sensitivity(LOSSES, NAMES)
    goal = goal_of(max_loss, max_slower, table)
    return Plan(report_of(A100_FP16), report_of(A100_QAT), table, goal, named="s.json").advice()


@pytest.mark.parametrize("name", ["recover", "loss", "slower"])
def test_outputs(name: str, golden: Golden) -> None:
    advice = advice_of(**{"recover": {}, "loss": {"max_loss": "0.1%"}, "slower": {"max_slower": "1%"}}[name])
    golden(f"advise_{name}.txt", as_text(advice))
    golden(f"advise_{name}.md", as_markdown(advice))


def test_a_measured_mix_that_interacts(golden: Golden) -> None:
    plan = Plan(
        fp16([40_000] * 3), int8([30_000] * 3), sensitivity([0.1, 0.01, 0.02]), goal_of(None, None, sensitivity([1]))
    )
    measured = MeasuredMix(("/conv0/Conv",), 0.03, 0.05, 0.12, 1 - 0.05 / 0.12, True, 2, 64)
    golden("advise_interacts.txt", as_text(plan.advice(0b001, measured), mixed="my mix/mixed.onnx"))
    golden("advise_interacts.md", as_markdown(plan.advice(0b001, measured), mixed="mixed.onnx"))


def test_without_a_mixed_file_nothing_is_said_of_one() -> None:
    assert "mixed.onnx" not in as_text(advice_of()) + as_markdown(advice_of())


def test_no_layer_to_keep_is_an_answer() -> None:
    advice = replace(advice_of(), choices=(), recommended=None, front=(), arguments="")
    assert "keep no layer in FP16" in as_text(advice)
    assert "keep no layer in FP16" in as_markdown(advice).lower().replace("fp16", "FP16")
    assert as_list(replace(advice, nodes=())) == ""


def test_names_cannot_steer_a_terminal() -> None:
    advice = advice_of()
    evil = replace(advice.choices[0], layers=("\x1b[31mred",), keep=True, why="\x1b[31m % of the loss, \x1b[0m")
    for shown in (as_text(replace(advice, choices=(evil,))), as_markdown(replace(advice, choices=(evil,)))):
        assert "\x1b" not in shown


def test_the_recommended_mix_is_always_among_those_shown() -> None:
    advice = advice_of()
    assert [mix.keep for mix in thinned(advice, 2) if mix.recommended] == [
        advice.recommended and advice.recommended.keep
    ]
