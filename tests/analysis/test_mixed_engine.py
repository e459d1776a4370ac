"""What TensorRT 8.6 made of a mixed.onnx that `advise` wrote: the digits network, three of its eight layers kept."""

from __future__ import annotations

import pytest

from tcscope import analyze
from tcscope.model import Layer, Precision, Unit
from tests.support.digits import LAYERS
from tests.support.places import FIXTURES

MIXED = FIXTURES / "h100_trt86_digits_mixed.sqlite"
DESCRIBED = FIXTURES / "h100_trt86_digits_mixed.layers.json"
KEPT = {"/conv3/Conv", "/conv5/Conv", "/fc1/MatMul"}


@pytest.fixture(scope="module")
def layers() -> dict[str, Layer]:
    """The engine's layers that compute, by the node of the network that they hold."""
    report = analyze(MIXED, layers=DESCRIBED)
    return {node: layer for layer in report.layers if layer.ns for node in layer.nodes if node in LAYERS}


def test_the_layers_of_the_network_are_found_by_its_names(layers: dict[str, Layer]) -> None:
    assert set(layers) == set(LAYERS)


def test_all_layers_but_those_kept_run_in_int8_on_tensor_cores(layers: dict[str, Layer]) -> None:
    for name in set(LAYERS) - KEPT:
        assert (layers[name].unit, layers[name].precision) == (Unit.TENSOR_CORE, Precision.INT8), name


def test_those_kept_run_as_tensorrt_likes_which_here_is_fp32(layers: dict[str, Layer]) -> None:
    # FP16 was allowed, and not asked for: between layers so small a conversion costs more than it saves
    for name in KEPT:
        assert (layers[name].unit, layers[name].precision) == (Unit.CUDA_CORE, Precision.FP32), name
