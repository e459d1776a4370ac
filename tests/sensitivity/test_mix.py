"""A mix really quantized: against every subset of the digits network, and as a Q/DQ file."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from tcscope.analysis.advise.build import Plan
from tcscope.errors import UsageError
from tcscope.model.advise import Aim, Goal
from tcscope.model.sensitivity import Sensitivity
from tcscope.sensitivity.answer import sensitivity_of
from tcscope.sensitivity.bench import Bench, Settings
from tcscope.sensitivity.data import random_samples, read_samples
from tcscope.sensitivity.metric import Measure, measure_of
from tcscope.sensitivity.mix import measured_advice, run
from tcscope.sensitivity.mix_model import quantized
from tcscope.sensitivity.network import load
from tests.support import digits
from tests.support.mixes import fp16, int8
from tests.support.mixes import sensitivity as made_up

SAMPLES = 250
MOST = Goal(Aim.RECOVER, 0.8)
COUNT = len(digits.LAYERS)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("digits")
    digits.write(made, SAMPLES)
    return made


@pytest.fixture(scope="module")
def bench(folder: Path) -> Bench:
    network = load(folder / "digits.onnx")
    samples = read_samples(network, folder / "digits.npz", {}, extra=True, most=None, seed=0)
    return Bench(network, samples, Settings())


@pytest.fixture(scope="module")
def likelihood(folder: Path) -> Measure:
    return measure_of(f"{folder / 'metric.py'}:likelihood")


def plan_of(table: Sensitivity, goal: Goal = MOST, slower_ns: int = 10_000) -> Plan:
    base, new = fp16([30_000 + slower_ns] * COUNT, digits.LAYERS), int8([30_000] * COUNT, digits.LAYERS)
    return Plan(base, new, table, goal)


@cache
def subsets() -> tuple[frozenset[str], ...]:
    found = [frozenset(n for at, n in enumerate(digits.LAYERS) if kept >> at & 1) for kept in range(2**COUNT)]
    return tuple(sorted(found, key=len))


@pytest.mark.parametrize("metric", ["sqnr", "likelihood"])
def test_the_mix_wins_back_four_fifths_with_the_fewest_layers_of_any_subset(
    bench: Bench, likelihood: Measure, metric: str
) -> None:
    # GIVEN what each layer costs, and what every one of 256 mixes really loses
    measure = likelihood if metric == "likelihood" else Measure()
    table = sensitivity_of(bench, measure=measure)
    names = frozenset(bench.names())
    truth = dict(zip(subsets(), bench.scores([names - kept for kept in subsets()], measure), strict=True))
    whole = truth[frozenset()].loss
    enough = [kept for kept, score in truth.items() if 1 - score.loss / whole >= 0.8]
    # WHEN a mix is chosen and measured
    advice, _ = measured_advice(plan_of(table), bench, measure)
    # THEN it is one of the smallest, and its loss is as measured
    found = advice.measured
    assert found is not None
    assert len(found.keep) == min(map(len, enough))
    assert found.recovered >= 0.8
    assert found.loss == pytest.approx(truth[frozenset(found.keep)].loss, rel=0.02)
    # AND prediction was near, or it is said that it was not
    near = abs(found.predicted_loss - found.loss) <= 0.25 * abs(found.loss)
    assert found.interact != near
    assert ("layers-interact" in [finding.code for finding in advice.findings]) != near


def test_when_layers_interact_the_measured_loss_is_told(bench: Bench) -> None:
    # GIVEN a table that is wrong about the first layer
    table = made_up([0.5, 0, 0, 1e-6, 0, 0, 2e-6, 3e-6], digits.LAYERS)
    advice, _ = measured_advice(plan_of(table), bench, Measure())
    found = advice.measured
    assert found is not None
    assert found.interact
    (said,) = [finding for finding in advice.findings if finding.code == "layers-interact"]
    assert f"measured is {found.loss:.4g}" in said.message
    assert found.tried > 1


class TestQdq:
    KEEP = ("/conv1/Conv", "/fc1/MatMul")

    def test_onnx_runtime_loses_as_much_with_the_file_as_was_simulated(self, bench: Bench) -> None:
        model = quantized(bench, self.KEEP)
        onnx.checker.check_model(model, full_check=True)
        real = run(bench, model, Measure())
        simulated = bench.score(set(bench.names()) - set(self.KEEP))
        assert real.loss == pytest.approx(simulated.loss, rel=0.02)
        assert real.loss < bench.score(bench.names()).loss

    def test_the_layers_that_stay_read_no_quantized_tensor(self, bench: Bench) -> None:
        model = quantized(bench, self.KEEP)
        back = {name for node in model.graph.node if node.op_type == "DequantizeLinear" for name in node.output}
        reads = {node.name: set(node.input) & back for node in model.graph.node if node.name in digits.LAYERS}
        assert {name for name, found in reads.items() if not found} == set(self.KEEP)
        assert all(len(found) == 2 for name, found in reads.items() if name not in self.KEEP)

    def test_convolutions_say_the_shape_of_a_kernel_that_is_computed(self, bench: Bench) -> None:
        # TensorRT 8.6.0 refuses them without: "The input tensor shape misaligns with the input kernel shape"
        assert not any(a.name == "kernel_shape" for node in bench.network.model.graph.node for a in node.attribute)
        said = {
            node.name: [list(a.ints) for a in node.attribute if a.name == "kernel_shape"]
            for node in quantized(bench, self.KEEP).graph.node
            if node.op_type == "Conv"
        }
        assert said.pop("/conv1/Conv") == []  # its weight is a constant still
        assert set(map(str, said.values())) == {"[[3, 3]]"}

    def test_weights_have_a_scale_for_each_output_channel(self, bench: Bench) -> None:
        model = quantized(bench, ())
        held = {tensor.name: tensor for tensor in model.graph.initializer}
        scales = {
            node.input[0]: held[node.input[1]].dims for node in model.graph.node if node.op_type == "QuantizeLinear"
        }
        assert list(scales["conv0.w"]) == [digits.CHANNELS[0][1]]
        assert list(scales["fc0.w"]) == [digits.HIDDEN]
        assert list(scales["fc1.w"]) == [10]
        assert list(scales["image"]) == []

    def test_an_activation_that_two_layers_read_has_one_pair(self, tmp_path: Path) -> None:
        weight = helper.make_tensor("w", TensorProto.FLOAT, [4, 4], np.eye(4).ravel())
        nodes = [helper.make_node("MatMul", ["x", "w"], [f"y{at}"], f"m{at}") for at in range(2)]
        make = helper.make_tensor_value_info
        graph = helper.make_graph(
            nodes,
            "twins",
            [make("x", TensorProto.FLOAT, [1, 4])],
            [make(f"y{at}", TensorProto.FLOAT, [1, 4]) for at in range(2)],
            [weight],
        )
        onnx.save(
            helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), tmp_path / "t.onnx"
        )
        network = load(tmp_path / "t.onnx")
        model = quantized(Bench(network, random_samples(network, {}, 8, 0), Settings()), ())
        assert sum(node.op_type == "QuantizeLinear" for node in model.graph.node) == 2  # of x and w

    def test_an_older_opset_is_lifted_to_one_that_knows_channels(self, folder: Path) -> None:
        old = digits.model()  # the operators that it has are those of opset 11 too
        old.opset_import[0].version = 11
        onnx.save(old, folder / "old.onnx")
        network = load(folder / "old.onnx")
        older = Bench(network, random_samples(network, {}, 8, 0), Settings())
        model = quantized(older, self.KEEP)
        assert model.opset_import[0].version == 13
        assert run(older, model, Measure()).loss == pytest.approx(
            older.score(set(older.names()) - set(self.KEEP)).loss, rel=0.02
        )


def test_another_network_than_that_of_the_table_is_refused(bench: Bench) -> None:
    table = made_up([0.1] * COUNT, [name.replace("conv3", "conv9") for name in digits.LAYERS])
    base, new = (make([30_000] * COUNT, [layer.name for layer in table.layers]) for make in (fp16, int8))
    with pytest.raises(UsageError, match=r"has no layer '/conv9/Conv' of the sensitivity, did you mean '/conv\d/Conv'"):
        measured_advice(Plan(base, new, table, MOST), bench, Measure())


def test_a_goal_of_time_takes_the_predicted_mix_as_it_is(bench: Bench) -> None:
    plan = plan_of(sensitivity_of(bench), Goal(Aim.MAX_SLOWER, 0.1))
    advice, _ = measured_advice(plan, bench, Measure())
    assert advice.measured is not None
    assert advice.measured.tried == 1
    assert set(advice.measured.keep) == {node for choice in advice.kept for node in choice.nodes}
