"""What a network is made of: names as TensorRT's, constants, which layers can be INT8, and what can't be measured."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from tcscope.sensitivity.int8 import rounded, scale_of, weight_scales
from tcscope.sensitivity.network import load
from tcscope.sensitivity.quantizable import quantizable
from tests.support import naive
from tests.support.cli import failure
from tests.support.towers import network, weight


def saved(folder: Path, model: onnx.ModelProto) -> Path:
    path = folder / "model.onnx"
    onnx.save(model, str(path))
    return path


def conv(opset: int = 13, dims: tuple[str | int, ...] = ("N", 3, 8, 8)) -> onnx.ModelProto:
    nodes = [helper.make_node("Conv", ["x", "w"], ["y"], "/conv")]
    return network(nodes, [weight("w", 4, 3, 3, 3)], {"x": list(dims)}, {"y": None}, opset)


@pytest.mark.parametrize(
    ("op", "shape", "axis"), [("Conv", (4, 3, 3, 3), 0), ("ConvTranspose", (3, 4, 3, 3), None), ("MatMul", (8, 5), 1)]
)
def test_a_weight_has_a_scale_for_each_output_channel_but_one_in_a_transposed_convolution(
    tmp_path: Path, op: str, shape: tuple[int, ...], axis: int | None
) -> None:
    model = network([helper.make_node(op, ["x", "w"], ["y"])], [weight("w", *shape)], {"x": [1, 3, 8, 8]}, {"y": None})
    ((layer,), left) = quantizable(load(saved(tmp_path, model)))
    assert (layer.op, layer.weight, layer.axis, layer.activations, left) == (op, "w", axis, ("x",), ())


@pytest.mark.parametrize(("slot", "transposed", "axis"), [(1, 0, 1), (1, 1, 0), (0, 0, 0), (0, 1, 1)])
def test_a_gemm_may_be_transposed_and_its_weight_on_either_side(
    tmp_path: Path, slot: int, transposed: int, axis: int
) -> None:
    inputs = ["x", "w"] if slot else ["w", "x"]
    how: dict[str, Any] = {"transB" if slot else "transA": transposed}
    model = network([helper.make_node("Gemm", inputs, ["y"], **how)], [weight("w", 6, 6)], {"x": [6, 6]}, {"y": None})
    (layer,), _ = quantizable(load(saved(tmp_path, model)))
    assert layer.axis == axis


def test_a_product_of_two_activations_rounds_both_and_a_computed_filter_stays(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("MatMul", ["a", "b"], ["ab"], "/attention"),
        helper.make_node("Conv", ["x", "f"], ["y"], "/computed"),
    ]
    inputs: dict[str, list[str | int]] = {"a": [2, 4, 5], "b": [2, 5, 4], "x": [2, 3, 8, 8], "f": [4, 3, 3, 3]}
    (layer,), left = quantizable(load(saved(tmp_path, network(nodes, [], inputs, {"ab": None, "y": None}))))
    assert (layer.name, layer.weight, layer.activations, left) == ("/attention", None, ("a", "b"), ("/computed",))


def test_nodes_without_a_name_and_doubled_names_are_called_as_tensorrt_calls_them(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["a"]),
        helper.make_node("MatMul", ["a", "w"], ["b"], "twice"),
        helper.make_node("MatMul", ["b", "w"], ["c"], "twice"),
    ]
    model = network(nodes, [weight("w", 5, 5)], {"x": [1, 5]}, {"c": None})
    layers, _ = quantizable(load(saved(tmp_path, model)))
    assert [layer.name for layer in layers] == ["node_of_a", "twice", "twice_0"]


def test_a_weight_behind_constants_is_a_weight(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Transpose", ["w"], ["t"], perm=[1, 0]),
        helper.make_node("Constant", [], ["two"], value=numpy_helper.from_array(np.array(2, np.float32))),
        helper.make_node("Mul", ["t", "two"], ["m"]),
        helper.make_node("MatMul", ["x", "m"], ["y"], "/product"),
    ]
    held = weight("w", 4, 6)
    found = load(saved(tmp_path, network(nodes, [held], {"x": [1, 6]}, {"y": None})))
    (layer,), _ = quantizable(found)
    assert layer.weight == "m"
    assert np.array_equal(numpy_helper.to_array(found.constants["m"]), numpy_helper.to_array(held).T * 2)
    assert [node.name for node in found.nodes] == ["/product"]


@settings(max_examples=40)
@given(
    values=st.lists(st.floats(-300, 300, width=32), min_size=1, max_size=40),
    clip=st.floats(0.015625, 256, width=32),
)
def test_what_is_rounded_is_what_quantizelinear_and_dequantizelinear_make_of_it(
    values: list[float], clip: float
) -> None:
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "s", "z"], ["q"]),
        helper.make_node("DequantizeLinear", ["q", "s", "z"], ["y"]),
    ]
    scale = np.float32(scale_of(clip))
    tensors = [numpy_helper.from_array(np.array(scale), "s"), numpy_helper.from_array(np.array(0, np.int8), "z")]
    x = np.array(values, dtype=np.float32)
    (expected,) = naive.run(network(nodes, tensors, {"x": ["N"]}, {"y": ["N"]}), {"x": x})
    assert np.array_equal(rounded(x, float(scale)), expected)


def test_channels_of_zeros_are_rounded_to_zeros() -> None:
    held = np.array([[0.0, 0.0], [1.0, -127.0]], dtype=np.float32)
    assert np.array_equal(weight_scales(held, 0), [[1.0], [1.0]])
    assert np.array_equal(rounded(held, weight_scales(held, 0)), held)
    assert scale_of(0.0) == 1.0


def wrong(tmp_path: Path, capsys: pytest.CaptureFixture[str], model: onnx.ModelProto, *more: object) -> str:
    return failure(capsys, "sensitivity", saved(tmp_path, model), *(more or ("--random", 4))).error


def test_open_sizes_must_be_given(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = failure(capsys, "sensitivity", saved(tmp_path, conv(dims=("N", 3, "H", "W"))), "--random", 4)
    assert found.error == "the input 'x' is ?x3x?x?: random data need its sizes"
    assert found.hint == "--shapes x:1x3x224x224"
    said = wrong(tmp_path, capsys, conv(), "--random", 4, "--shapes", "x:1x3x9x9")
    assert "--shapes x:1x3x9x9 doesn't fit: the input is ?x3x8x8" in said
    assert "did you mean 'x'" in wrong(tmp_path, capsys, conv(), "--random", 4, "--shapes", "xx:1x3x8x8")


def test_an_opset_that_is_too_old_or_too_new_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "has opset 6, and onnxruntime runs opset 7 or newer" in wrong(tmp_path, capsys, conv(6))
    assert "has opset 99, and this onnxruntime knows opset" in wrong(tmp_path, capsys, conv(99))


def test_a_quantized_network_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = naive.quantized(conv(), {"/conv": {"x": 1.0}})
    assert "is already quantized: it has 2 nodes QuantizeLinear" in wrong(tmp_path, capsys, model)


def test_what_is_no_network_or_has_nothing_to_quantize_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "text.onnx").write_text("hello, this is no network")
    (tmp_path / "empty.onnx").write_bytes(b"")
    for name in ("text.onnx", "empty.onnx"):
        assert name in failure(capsys, "sensitivity", tmp_path / name, "--random", 4).error
    assert "no such network" in failure(capsys, "sensitivity", tmp_path / "none.onnx", "--random", 4).error
    relu = network([helper.make_node("Relu", ["x"], ["y"])], [], {"x": [1, 3]}, {"y": None})
    assert "has no layer to quantize" in wrong(tmp_path, capsys, relu)
    unknown = conv()
    unknown.graph.node.append(helper.make_node("Convolve", ["y"], ["z"]))
    assert "onnxruntime can't run" in wrong(tmp_path, capsys, unknown)


def test_data_that_dont_fit_are_refused_in_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def said(**arrays: np.ndarray) -> str:
        np.savez(tmp_path / "d.npz", **arrays)  # type: ignore[arg-type]
        return wrong(tmp_path, capsys, conv(), "--data", tmp_path / "d.npz")

    good = np.zeros((5, 3, 8, 8), np.float32)
    assert "each sample of 'x' is 3x9x8 in" in said(x=np.zeros((5, 3, 9, 8), np.float32))
    assert "has no array for the input 'x'" in said(y=good) or "no such input" in said(y=good)
    assert "has an array 'labels', and the network no such input" in said(x=good, labels=np.zeros(5))
    assert "'x' is complex64" in said(x=good.astype(np.complex64))
    bad = good.copy()
    bad[3, 1, 2, 2] = np.nan
    assert "sample 3 of 'x' in" in said(x=bad)
    assert "holds nan" in said(x=bad)
    (tmp_path / "d.npz").write_text("no arrays")
    assert "can't read the data" in wrong(tmp_path, capsys, conv(), "--data", tmp_path / "d.npz")
    (tmp_path / "folder").mkdir()
    assert "holds no .npz and no .npy" in wrong(tmp_path, capsys, conv(), "--data", tmp_path / "folder")
    assert "what shall the network be fed?" in wrong(tmp_path, capsys, conv(), "--seed", 1)


def test_an_output_that_is_not_finite_in_fp32_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    nodes = [*conv().graph.node, helper.make_node("Sqrt", ["y"], ["z"])]
    model = network(nodes, [weight("w", 4, 3, 3, 3)], {"x": ["N", 3, 8, 8]}, {"z": None})
    assert "'z' of" in wrong(tmp_path, capsys, model)
    assert "is not finite in FP32, for samples 0 to" in wrong(tmp_path, capsys, model)


def test_a_metric_that_fails_is_named_with_its_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "m.py"
    path.write_text(
        "def broken(a, b, c):\n    return b['nothing'].sum()\n\n\ndef nan(a, b, c):\n    return float('nan')\n"
    )
    for name, expected in (
        ("broken", "m.py:2: m.py:broken failed: KeyError"),
        ("nan", "m.py:nan gave nan"),
        ("brokn", "has no function 'brokn', did you mean 'broken'?"),
    ):
        assert expected in wrong(tmp_path, capsys, conv(), "--random", 4, "--metric", f"{path}:{name}")
    assert "did you mean 'cosine'" in wrong(tmp_path, capsys, conv(), "--random", 4, "--metric", "cosin")


def test_batches_of_a_fixed_size_and_several_inputs_and_types(tmp_path: Path) -> None:
    from tcscope.sensitivity.bench import Bench, Settings
    from tcscope.sensitivity.data import read_samples

    nodes = [
        helper.make_node("Cast", ["i"], ["f"], to=TensorProto.FLOAT),
        helper.make_node("Add", ["x", "f"], ["s"]),
        helper.make_node("Gemm", ["s", "w"], ["y"], "/gemm"),
        helper.make_node("ArgMax", ["y"], ["best"], axis=1),
    ]
    model = network(nodes, [weight("w", 6, 5)], {"x": [2, 6], "i": [2, 6]}, {"y": None, "best": None})
    model.graph.input[1].type.tensor_type.elem_type = TensorProto.INT64
    model.graph.output[1].type.tensor_type.elem_type = TensorProto.INT64
    rng = np.random.default_rng(0)
    np.savez(tmp_path / "d.npz", x=rng.standard_normal((7, 6)), i=rng.integers(0, 3, (7, 6)))
    found = load(saved(tmp_path, model))
    samples = read_samples(found, tmp_path / "d.npz", {}, extra=False, most=None, seed=0)
    bench = Bench(found, samples, Settings())
    assert (samples.count, bench.batch, bench.sizes) == (6, 2, 3)
    score = bench.score(bench.names())
    assert score.sqnr_db is not None
    assert 30 < score.sqnr_db < 60
    assert score.top1_agreement is not None
