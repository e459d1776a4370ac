"""A ConvTranspose in INT8, against loops over its groups: one scale for its weight, as INT8 says of it."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from onnx import helper, numpy_helper

from tcscope.model.sensitivity import Calibration
from tcscope.sensitivity.bench import Bench, Settings
from tcscope.sensitivity.data import random_samples
from tcscope.sensitivity.int8 import Array
from tcscope.sensitivity.mix_model import quantized
from tcscope.sensitivity.network import load
from tcscope.sensitivity.stats import of_weight
from tests.support import naive
from tests.support.towers import network

SIDE = 3  # of the image
STEP = 2  # of the filter, and as far as it moves: no two products meet in one pixel but those of the channels


def through_int8(value: float, largest: float) -> float:
    """One number with a scale of its tensor."""
    scale = np.float32(largest) / np.float32(127) or np.float32(1)
    return float(np.float32(max(-128.0, min(127.0, float(np.rint(np.float32(value) / scale))))) * scale)


def by_loops(images: Array, weight: Array, groups: int) -> Array:
    """What the layer gives in INT8, one product at a time."""
    inner, outer = weight.shape[0] // groups, weight.shape[1]
    image_clip, weight_clip = float(abs(images).max()), float(abs(weight).max())
    made = np.zeros((len(images), groups * outer, SIDE * STEP, SIDE * STEP))
    for n, group, c, k in product(range(len(images)), range(groups), range(inner), range(outer)):
        for i, j, r, s in product(range(SIDE), range(SIDE), range(STEP), range(STEP)):
            value = through_int8(images[n, group * inner + c, i, j], image_clip)
            made[n, group * outer + k, i * STEP + r, j * STEP + s] += value * through_int8(
                weight[group * inner + c, k, r, s], weight_clip
            )
    return made


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(groups=st.integers(1, 4), inner=st.integers(1, 3), outer=st.integers(1, 3), seed=st.integers(0, 99))
def test_the_simulation_and_the_mix_give_what_loops_give(
    tmp_path: Path, groups: int, inner: int, outer: int, seed: int
) -> None:
    # GIVEN groups whose weights differ by orders of magnitude
    drawn = np.random.default_rng(seed)
    weight = drawn.standard_normal((groups * inner, outer, STEP, STEP)).astype(np.float32)
    weight *= np.repeat(10.0 ** np.arange(groups), inner)[:, None, None, None].astype(np.float32)
    node = helper.make_node("ConvTranspose", ["x", "w"], ["y"], "/up", group=groups, strides=[STEP, STEP])
    tensor = numpy_helper.from_array(weight, "w")
    onnx.save(network([node], [tensor], {"x": [2, groups * inner, SIDE, SIDE]}, {"y": None}), tmp_path / "m.onnx")
    loaded = load(tmp_path / "m.onnx")
    bench = Bench(loaded, random_samples(loaded, {}, 2, seed), Settings(Calibration.MINMAX))
    # WHEN it is run in INT8, by segments and as a Q/DQ network
    images = bench.samples.arrays["x"]
    simulated = bench.machine.whole(bench.samples.arrays, ["/up"])["y"]
    (written,) = naive.run(quantized(bench, ()), bench.samples.arrays)
    # THEN both are the loops' sums
    expected = by_loops(images, weight, groups)
    near = pytest.approx(expected, rel=1e-5, abs=1e-6 * abs(expected).max())
    assert simulated == near
    assert written == near
    # AND its tensor is said to have one scale, which costs small groups their precision
    (layer,) = bench.layers
    stats = of_weight("w", weight, layer.axis)
    assert stats.channels == 1
    assert stats.clip == pytest.approx(float(abs(weight).max()))
