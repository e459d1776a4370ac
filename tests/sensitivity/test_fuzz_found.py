"""What random networks and damaged files have found, each by itself."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from tcscope.errors import UsageError
from tcscope.model.sensitivity import Calibration
from tcscope.sensitivity.answer import sensitivity_of
from tcscope.sensitivity.bench import Bench, Settings
from tcscope.sensitivity.calibrate import Seen, clip_of
from tcscope.sensitivity.cut import around, part
from tcscope.sensitivity.data import random_samples
from tcscope.sensitivity.files import arrays_of
from tcscope.sensitivity.journal import Journal, Measured
from tcscope.sensitivity.mix_model import quantized
from tcscope.sensitivity.network import load
from tcscope.sensitivity.stats import of_weight
from tcscope.sensitivity.sums import OutputSums, Sums, noise_of, power_of
from tests.support import naive
from tests.support.cli import failure
from tests.support.towers import network, weight


def saved(folder: Path, model: onnx.ModelProto) -> Path:
    path = folder / "m.onnx"
    onnx.save(model, str(path))
    return path


def bench_of(path: Path, **settings: object) -> Bench:
    found = load(path)
    how = Settings(Calibration.MINMAX, jobs=1, **settings)  # type: ignore[arg-type]
    return Bench(found, random_samples(found, {}, 4, 0), how)


def product(*more: onnx.NodeProto, outputs: Sequence[str] = ("y",), rank: int | None = 2) -> onnx.ModelProto:
    nodes = [helper.make_node("MatMul", ["x", "w"], ["y"], "/product"), *more]
    shapes = {name: ["N", 3][:rank] if rank else None for name in outputs}
    return network(nodes, [weight("w", 3, 3)], {"x": ["N", 3]}, shapes)  # type: ignore[arg-type]


def test_an_output_that_is_a_constant_is_none_that_a_layer_can_change(tmp_path: Path) -> None:
    plain = sensitivity_of(bench_of(saved(tmp_path, product()))).layers[0].loss
    with_weight = product(outputs=("y", "w"))
    assert sensitivity_of(bench_of(saved(tmp_path, with_weight))).layers[0].loss == plain > 0
    mixed = quantized(bench_of(saved(tmp_path, with_weight)), ())
    assert [value.name for value in mixed.graph.output] == ["y", "w"]


def test_a_network_whose_outputs_are_constants_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = failure(capsys, "sensitivity", saved(tmp_path, product(outputs=("w",))), "--random", 1)
    assert said.error.endswith("has no output that is computed or fed")


def test_a_layer_that_no_output_needs_is_left_out_as_by_tensorrt(tmp_path: Path) -> None:
    unread = helper.make_node("MatMul", ["y", "w"], ["z"], "/unread")
    bench = bench_of(saved(tmp_path, product(unread)))
    assert [layer.name for layer in sensitivity_of(bench).layers] == ["/product"]


def test_what_a_branch_takes_from_outside_goes_into_the_part(tmp_path: Path) -> None:
    info = helper.make_tensor_value_info("i", TensorProto.FLOAT, None)
    inner = helper.make_graph([helper.make_node("MatMul", ["y", "w"], ["i"])], "then", [], [info])
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["y"], "/product"),
        helper.make_node("ReduceMax", ["y"], ["m"], "/max", keepdims=0),
        helper.make_node("Greater", ["m", "zero"], ["c"], "/greater"),
        helper.make_node("If", ["c"], ["z"], "/if", then_branch=inner, else_branch=inner),
    ]
    zero = numpy_helper.from_array(np.array(-100, np.float32), "zero")
    model = network(nodes, [weight("w", 3, 3), zero], {"x": ["N", 3]}, {"z": ["N", 3]})
    found = load(saved(tmp_path, model))
    samples = random_samples(found, {}, 1, 0)
    cut = part(found, around(found, "/if", 0), samples)
    assert (cut.nodes, sorted(cut.inputs)) == (("/if",), ["c", "y"])
    (made,) = naive.run(cut.model, cut.inputs)
    np.testing.assert_allclose(made, naive.run(model, samples.arrays)[0], rtol=1e-5)


def test_a_mix_of_a_network_that_doesnt_say_its_outputs_shape_is_sound(tmp_path: Path) -> None:
    mixed = quantized(bench_of(saved(tmp_path, product(rank=None))), ())
    onnx.checker.check_model(mixed, full_check=True)
    assert len(mixed.graph.output[0].type.tensor_type.shape.dim) == 2


def test_weights_beside_the_file_belong_to_its_digest(tmp_path: Path) -> None:
    digests = []
    for seed in (1, 2):
        model = network(
            [helper.make_node("MatMul", ["x", "w"], ["y"])],
            [weight("w", 64, 64, seed=seed)],
            {"x": [1, 64]},
            {"y": None},
        )
        (tmp_path / "w.bin").unlink(missing_ok=True)
        onnx.save(model, str(tmp_path / "m.onnx"), save_as_external_data=True, location="w.bin")
        digests.append(load(tmp_path / "m.onnx").digest)
    assert digests[0] != digests[1]


def test_a_name_that_is_no_text_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = saved(tmp_path, product())
    path.write_bytes(path.read_bytes().replace(b"/product", b"/\xff\xfeoduct"))
    assert failure(capsys, "sensitivity", path, "--random", 1).error.endswith("a name in it is no UTF-8")


@pytest.mark.parametrize(
    ("element", "word"),
    [(0, "type 0"), (99, "type 99"), (TensorProto.STRING, "STRING"), (TensorProto.BFLOAT16, "BFLO")],
)
def test_an_input_that_holds_no_numbers_of_numpy_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], element: int, word: str
) -> None:
    model = product()
    model.graph.input[0].type.tensor_type.elem_type = element
    assert f"is {word}" in failure(capsys, "sensitivity", saved(tmp_path, model), "--random", 1).error


def test_squares_of_half_precision_are_summed_in_more() -> None:
    values = np.full(100, 300, np.float16)
    assert power_of(values) == 100 * 300**2  # beyond 65504
    assert noise_of(values, values + np.float16(1)) == 100
    small = np.full(4, 1e-4, np.float16)
    assert power_of(small) == pytest.approx(4e-8, rel=0.01)  # below what FP16 holds
    assert power_of(np.full(2, 1e30, np.float32)) == pytest.approx(2e60)


@pytest.mark.parametrize("method", [Calibration.ENTROPY, Calibration.PERCENTILE, Calibration.MINMAX])
@pytest.mark.parametrize("largest", [1e-45, 1e-40, 1e300])
def test_ranges_that_fp32_cant_divide_are_kept_whole(method: Calibration, largest: float) -> None:
    values = np.array([0, -largest, largest], np.float64 if largest > 1 else np.float32)
    seen = Seen()
    seen.widen(values)
    seen.count(values)
    assert clip_of(seen, method) == seen.largest == abs(float(values[2]))
    assert seen.counts is not None
    assert seen.counts.sum() == 3


def test_values_that_are_not_finite_dont_widen_a_range() -> None:
    seen = Seen()
    seen.widen(np.array([1, -np.inf, np.nan, 2], np.float32))
    seen.count(np.array([1, -np.inf, 2], np.float32))
    assert (seen.minimum, seen.maximum) == (1, 2)
    assert of_weight("w", np.full((2, 2), 1e-45, np.float32), 0).histogram.counts


@pytest.mark.parametrize(
    "head", [b"\x14\x00__import__('os').a()\n", b"\x0c\x00{'descr': (\n\n", b"\x88\x13" + b"(" * 5000]
)
def test_an_array_with_a_damaged_head_is_refused(tmp_path: Path, head: bytes) -> None:
    (tmp_path / "d.npy").write_bytes(b"\x93NUMPY\x01\x00" + head)
    with pytest.raises(UsageError, match=r"is no \.npz or \.npy of numbers"):
        arrays_of(tmp_path / "d.npy", ["x"])


class TestJournal:
    ONE = Measured(Sums({"y": OutputSums(4.0, 1.0, 4.0, 3.5)}, max_error=0.5), {"a": 0.25})

    def kept(self, folder: Path) -> Path:
        made = Journal(folder / "s.json", "key")
        made.keep("/a", 0, self.ONE, {"y": np.ones(3)})
        made.keep("/b", 0, self.ONE, {"y": np.zeros(3)})
        made.close(done=False)
        return folder / "s.json.part.jsonl"

    def test_a_line_with_another_number_is_measured_again(self, tmp_path: Path) -> None:
        path = self.kept(tmp_path)
        lines = path.read_text().splitlines()
        path.write_text("\n".join([lines[0], lines[1].replace("0.25", "0.75"), lines[2]]) + "\n")
        again = Journal(tmp_path / "s.json", "key")
        assert list(again.found) == [("/b", 0)]
        assert again.found["/b", 0] == self.ONE
        again.close(done=False)

    def test_outputs_that_are_damaged_are_measured_again(self, tmp_path: Path) -> None:
        self.kept(tmp_path)
        for file in (tmp_path / "s.json.part").iterdir():
            file.write_bytes(file.read_bytes()[:-1])
        again = Journal(tmp_path / "s.json", "key")
        assert again.has("/a", 0, outputs=False)
        assert not again.has("/a", 0, outputs=True)
        again.close(done=True)
        assert list(tmp_path.iterdir()) == []

    def test_what_lies_in_its_folder_and_is_not_its_own_stays(self, tmp_path: Path) -> None:
        self.kept(tmp_path)
        (tmp_path / "s.json.part" / "my-data.npz").write_bytes(b"mine")
        Journal(tmp_path / "s.json", "key").close(done=True)
        assert [file.name for file in (tmp_path / "s.json.part").iterdir()] == ["my-data.npz"]

    def test_a_folder_or_a_file_in_its_place_is_told(self, tmp_path: Path) -> None:
        (tmp_path / "s.json.part.jsonl").mkdir()
        with pytest.raises(UsageError, match=r"can't read .*s\.json\.part\.jsonl"):
            Journal(tmp_path / "s.json", "key")
        (tmp_path / "t.json.part").write_text("mine")
        made = Journal(tmp_path / "t.json", "key")
        with pytest.raises(UsageError, match="can't write beside"):
            made.keep("/a", 0, self.ONE, {"y": np.ones(3)})
        made.close(done=False)
        assert json.loads((tmp_path / "t.json.part.jsonl").read_text())["key"] == "key"


def test_a_network_of_more_than_a_message_holds_is_refused_by_its_size(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # GIVEN weights of 2.4 GB beside the file, which take no room on the disk
    side = 14_000
    tensors = []
    for at in range(3):
        tensor = TensorProto(name=f"w{at}", data_type=TensorProto.FLOAT, dims=[side, side])
        tensor.data_location = TensorProto.EXTERNAL
        size = 4 * side**2
        for key, value in (("location", "w.bin"), ("offset", at * size), ("length", size)):
            tensor.external_data.add(key=key, value=str(value))
        tensors.append(tensor)
    with (tmp_path / "w.bin").open("wb") as file:
        file.truncate(3 * 4 * side**2)
    nodes = [helper.make_node("MatMul", ["xab"[at], f"w{at}"], ["aby"[at]], f"/m{at}") for at in range(3)]
    path = tmp_path / "m.onnx"
    path.write_bytes(network(nodes, tensors, {"x": ["N", side]}, {"y": ["N", side]}).SerializeToString())
    said = failure(capsys, "sensitivity", path, "--random", 1)
    assert said.code == 2
    assert said.error.endswith("m.onnx holds 2.4 GB with its weights, and no more than 2.1 GB can be cut into pieces")
    assert said.hint.startswith("polygraphy surgeon extract")


def test_an_activation_that_is_infinite_in_fp32_is_told(tmp_path: Path) -> None:
    # GIVEN a mask of minus infinity that a Softmax takes away again
    mask = numpy_helper.from_array(np.array([0, -np.inf, 0], np.float32), "mask")
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["y"], "/first"),
        helper.make_node("Add", ["y", "mask"], ["masked"], "/mask"),
        helper.make_node("Clip", ["masked", "low"], ["z"], "/clip"),
        helper.make_node("MatMul", ["masked", "v"], ["u"], "/second"),
        helper.make_node("Clip", ["u", "low", "high"], ["out"], "/bound"),
    ]
    bounds = [numpy_helper.from_array(np.array(v, np.float32), n) for v, n in ((-9, "low"), (9, "high"))]
    model = network(nodes, [weight("w", 3, 3), weight("v", 3, 3), mask, *bounds], {"x": ["N", 3]}, {"out": ["N", 3]})
    found = sensitivity_of(bench_of(saved(tmp_path, model)))
    assert "NaN" not in found.to_json()
    assert "Infinity" not in found.to_json()
    told = {finding.code: finding.message for finding in found.findings}
    assert told["activation-not-finite"].endswith("which INT8's range leaves out: masked")
