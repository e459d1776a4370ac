"""A part of a network as a network of its own: the same numbers come out of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from tcscope.cli import main
from tcscope.sensitivity.cut import around, part
from tcscope.sensitivity.data import random_samples
from tcscope.sensitivity.network import load
from tcscope.sensitivity.session import session
from tests.support import digits
from tests.support.cli import failure


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("digits")
    digits.write(made, 8)
    return made


def diamond(path: Path) -> Path:
    """`x -> a -> b -> d`, and `a -> c -> d`."""
    nodes = [
        helper.make_node("Relu", ["x"], ["ta"], "a"),
        helper.make_node("Neg", ["ta"], ["tb"], "b"),
        helper.make_node("Exp", ["ta"], ["tc"], "c"),
        helper.make_node("Add", ["tb", "tc"], ["td"], "d"),
        helper.make_node("Sqrt", ["td"], ["te"], "e"),
    ]
    make = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes, "diamond", [make("x", TensorProto.FLOAT, [2, 3])], [make("te", TensorProto.FLOAT, [2, 3])]
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), path)
    return path


@pytest.mark.parametrize(
    ("layer", "hops", "nodes"),
    [
        ("b", 0, "b"),
        ("b", 1, "abcd"),
        ("c", 1, "abcd"),
        ("a", 1, "abc"),
        ("e", 1, "de"),
        ("e", 2, "bcde"),
        ("e", 9, "abcde"),
    ],
)
def test_the_part_holds_what_is_near_and_what_lies_between(tmp_path: Path, layer: str, hops: int, nodes: str) -> None:
    network = load(diamond(tmp_path / "d.onnx"))
    assert [node.name for node in around(network, layer, hops)] == list(nodes)


@pytest.mark.parametrize("layer", digits.LAYERS)
@pytest.mark.parametrize("hops", [0, 2])
def test_the_part_computes_what_the_network_does_there(folder: Path, layer: str, hops: int) -> None:
    network = load(folder / "digits.onnx")
    found = part(network, around(network, layer, hops), random_samples(network, {}, 2, 0))
    onnx.checker.check_model(found.model, full_check=True)
    names = list(found.outputs)
    for name, value in zip(names, session(found.model).run(names, found.inputs), strict=True):
        np.testing.assert_allclose(value, found.outputs[name], rtol=1e-4, atol=1e-5)
    assert layer in found.nodes
    assert len(found.nodes) <= 1 + 2 * hops


def test_the_command_writes_the_part_with_its_tensors(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = [str(folder / "digits.onnx"), "--around", "/conv2/Conv", "--hops", "1", "-o", str(tmp_path)]
    assert main(["cut", *given, "--random", "1"]) == 0
    out, err = capsys.readouterr()
    assert out.splitlines() == [
        "3 nodes of 17 around /conv2/Conv",
        "Relu             /relu1/Relu",
        "Conv             /conv2/Conv",
        "Relu             /relu2/Relu",
        "in               c1 float32 1x12x8x8",
        "out              r2 float32 1x16x4x4",
    ]
    written = sorted(path.name for path in tmp_path.iterdir())
    assert written == ["conv2_Conv.inputs.npz", "conv2_Conv.onnx", "conv2_Conv.outputs.npz"]
    assert all(f"wrote {tmp_path / name}" in err for name in written)
    feeds = dict(np.load(tmp_path / "conv2_Conv.inputs.npz"))
    (made,) = session(onnx.load(tmp_path / "conv2_Conv.onnx")).run(None, feeds)
    np.testing.assert_allclose(made, np.load(tmp_path / "conv2_Conv.outputs.npz")["r2"], rtol=1e-4, atol=1e-5)
    # what is there is not written over
    said = failure(capsys, "cut", *given, "--random", "1")
    assert (said.code, said.error.endswith("is there already")) == (2, True)


def test_a_layer_that_is_not_there_is_told_with_the_nearest(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = failure(capsys, "cut", folder / "digits.onnx", "--around", "/conv2/Cnov", "--random", "1")
    assert said.code == 2
    assert said.error.endswith("has no layer '/conv2/Cnov', did you mean '/conv2/Conv'?")
