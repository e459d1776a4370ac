"""Random networks: what `tcscope sensitivity`, `cut` and the mix say of them, against the plain way to compute it."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper

from tcscope.errors import UsageError
from tcscope.model.sensitivity import Calibration, Mode, Sensitivity
from tcscope.sensitivity.answer import sensitivity_of
from tcscope.sensitivity.bench import Bench, Settings
from tcscope.sensitivity.cut import around, part
from tcscope.sensitivity.data import Samples, random_samples
from tcscope.sensitivity.mix_model import quantized
from tcscope.sensitivity.network import Network, load
from tests.fuzz import brute
from tests.fuzz.hold import effort
from tests.fuzz.networks import BATCH, NetworkMaker

NEAR = 2e-3  # a value that lies between two of INT8's may be rounded to the other, of sums in another order
ALLOWED = ("has no layer to quantize", "is not finite in FP32", "has no output that is computed or fed")
OLD = "scales for each channel need 13"


def network_of(seed: int, folder: Path) -> onnx.ModelProto | None:
    """A network, saved; None where onnxruntime can't run it."""
    model = NetworkMaker(random.Random(seed)).made()  # noqa: S311 - no secret
    onnx.save(model, str(folder / "m.onnx"))
    for node in model.graph.node:
        node.name = ""  # onnxruntime takes no name twice
    feeds = {
        value.name: np.ones(
            [dim.dim_value or BATCH for dim in value.type.tensor_type.shape.dim],
            helper.tensor_dtype_to_np_dtype(value.type.tensor_type.elem_type),
        )
        for value in model.graph.input
        if value.name.startswith("x")
    }
    try:
        brute.run(model, feeds)
    except Exception:  # onnxruntime's own kinds have no common base
        return None
    return model


def bench_of(folder: Path, seed: int) -> Bench | None:
    """The network on four samples, two at a time; None where it can't be measured, and it is said why."""
    network = samples = None
    try:
        network = load(folder / "m.onnx")
        samples = random_samples(network, {}, 4, seed)
        return Bench(network, samples, Settings(Calibration.MINMAX, batch=BATCH, jobs=1))
    except UsageError as error:
        if not any(reason in str(error) for reason in ALLOWED):
            raise
        return None


seeds = st.integers(0, 10**9)


@effort(120)
@given(seed=seeds)
def test_what_a_layer_loses_is_what_the_whole_network_loses_with_it_rounded(
    seed: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("network")
    model = network_of(seed, folder)
    bench = bench_of(folder, seed) if model is not None else None
    if model is None or bench is None:
        return
    # GIVEN the whole network, and what its layers read
    network = bench.network
    writes = {layer.name: network.nodes[layer.at].output[0] for layer in bench.layers}
    read = sorted({name for layer in bench.layers for name in network.nodes[layer.at].input[:2]})
    batches = list(bench.samples.batches(bench.batch))
    held = [brute.tensors(model, [*read, *network.outputs], feeds) for feeds in batches]
    clips = {name: max(float(np.abs(one[name]).max()) for one in held) for name in read}
    for name, clip in bench.clips.items():
        assert clip == pytest.approx(clips[name], rel=NEAR)
    if any(one[name].dtype == np.float16 for one in held for name in read):
        assert "NaN" not in sensitivity_of(bench).to_json()  # rounding to FP16 depends on what is fused: no brute force
        return
    base = [[one[name] for name in network.outputs] for one in held]

    def truth(layers: set[str]) -> float:
        plain = brute.in_int8(model, {writes[name] for name in layers}, clips, held[0])
        new = [brute.tensors(plain, network.outputs, feeds) for feeds in batches]
        return brute.loss(base, [[one[name] for name in network.outputs] for one in new])

    # THEN each layer alone, all of them, and all but each lose as much
    every = set(writes)
    one, others = sensitivity_of(bench), sensitivity_of(bench, Mode.ALL_BUT_ONE)
    assert [layer.name for layer in one.layers] == list(writes)
    for layer in one.layers:
        assert layer.loss == pytest.approx(truth({layer.name}), rel=NEAR, abs=1e-10)
    assert one.int8 is not None
    assert one.int8.loss == pytest.approx(truth(every), rel=NEAR, abs=1e-10)
    for layer in others.layers:
        assert layer.score.loss == pytest.approx(truth(every - {layer.name}), rel=NEAR, abs=1e-10)
    assert Sensitivity.from_dict(one.to_dict()) == one


@effort(120)
@given(seed=seeds, hops=st.integers(0, 3))
def test_a_part_computes_what_the_whole_network_does_there(
    seed: int, hops: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("network")
    model = network_of(seed, folder)
    if model is None:
        return
    try:
        network = load(folder / "m.onnx")
    except UsageError as error:
        if not any(reason in str(error) for reason in ALLOWED):
            raise
        return
    samples = random_samples(network, {}, BATCH, seed)
    if network.nodes and runs_alone(model, samples):
        check_part(model, network, network.nodes[seed % len(network.nodes)].name, hops, samples)


def runs_alone(model: onnx.ModelProto, samples: Samples) -> bool:
    """Whether a sample can be fed alone: a network may mix those of a batch."""
    try:
        brute.run(model, next(samples.batches(samples.fixed or 1)))
    except Exception:  # onnxruntime's own kinds have no common base
        return False
    return True


def check_part(model: onnx.ModelProto, network: Network, layer: str, hops: int, samples: Samples) -> None:
    """Cut around a layer, run the part on what was recorded, and compare with the whole."""
    try:
        found = part(network, around(network, layer, hops), samples)
    except UsageError as error:
        if "reads nothing that is computed or fed" not in str(error):
            raise
        return
    assert layer in found.nodes
    onnx.checker.check_model(found.model, full_check=True)
    names = [value.name for value in found.model.graph.output]
    made = dict(zip(names, brute.run(found.model, found.inputs), strict=True))
    truth = brute.tensors(model, list(found.outputs), next(samples.batches(samples.fixed or 1)))
    assert set(names) == set(found.outputs)
    for name, expected in truth.items():
        if expected.dtype == np.float16:
            assert made[name].shape == expected.shape
            continue
        most = float(np.abs(expected.astype(np.float64)).max(initial=0)) if expected.dtype.kind == "f" else 0
        for value in (made[name], found.outputs[name]):
            np.testing.assert_allclose(value, expected, rtol=1e-4, atol=1e-5 * most + 1e-6)


@effort(80)
@given(seed=seeds)
def test_a_mix_is_a_sound_network_that_loses_what_was_simulated(
    seed: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("network")
    model = network_of(seed, folder)
    bench = bench_of(folder, seed) if model is not None else None
    if model is None or bench is None or model.graph.input[0].type.tensor_type.elem_type != TensorProto.FLOAT:
        return
    rnd = random.Random(seed)  # noqa: S311 - no secret
    keep = [name for name in bench.names() if rnd.random() < 0.4]
    try:
        mixed = quantized(bench, keep)
    except UsageError as error:
        if OLD not in str(error):  # onnx can't convert every network
            raise
        return
    onnx.checker.check_model(mixed, full_check=True)
    simulated = bench.score(set(bench.names()) - set(keep)).loss
    names = bench.network.outputs
    base = [[values[name] for name in names] for values in bench.references()]
    made = [brute.tensors(mixed, names, feeds) for feeds in bench.samples.batches(bench.batch)]
    truth = brute.loss(base, [[one[name] for name in names] for one in made])
    assert truth == pytest.approx(simulated, rel=NEAR, abs=1e-10)
