"""Building by the runner, with a stand-in for TensorRT and for the GPU's memory."""

from __future__ import annotations

import glob
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tcscope.capture.engine import RUNNER
from tcscope.capture.runner import build as building
from tcscope.capture.runner.failure import BAD_MODEL, NO_DEVICE, NO_ENGINE, USAGE, RunError
from tcscope.capture.runner.main import parser
from tcscope.capture.runner.progress import TERMINAL, Progress
from tcscope.capture.runner.samples import Wanted, npz_batches, random_batch
from tests.capture import tensorrt_stand_in

BOTH = ("8.6.0", "10.3.0")
PLAIN = {"inputs": {"x": ["FLOAT", [2, 3]]}, "layers": [["CONVOLUTION", "FLOAT"]]}
DYNAMIC = {"inputs": {"x": ["FLOAT", [-1, 3]]}, "layers": [["CONVOLUTION", "FLOAT"]]}
QDQ = {"inputs": {"x": ["FLOAT", [2, 3]]}, "layers": [["QUANTIZE", "INT8"], ["DEQUANTIZE", "FLOAT"]]}
HALF = {"inputs": {"x": ["HALF", [2, 3]]}, "layers": [["CONVOLUTION", "HALF"]]}

Build = Callable[..., dict[str, Any]]


@pytest.fixture
def build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Build]:
    """`build(model, words, version)`: what the stand-in's builder was told."""
    monkeypatch.setattr(building, "Cuda", tensorrt_stand_in.Cuda)
    monkeypatch.chdir(tmp_path)

    def run(model: Any, *words: str, version: str = "8.6.0", rtx: bool = False) -> dict[str, Any]:
        module = tensorrt_stand_in.make(version, rtx=rtx)
        monkeypatch.setitem(sys.modules, "tensorrt", module)
        monkeypatch.setitem(sys.modules, module.__name__, module)
        Path("m.onnx").write_text(model if isinstance(model, str) else json.dumps(model))
        pinned = ["--module", module.__name__] if rtx else []
        building.build(parser().parse_args(["m.onnx", "--build", "m.plan", *words, *pinned]))
        told: dict[str, Any] = json.loads(Path("m.plan").read_bytes())
        return told

    yield run
    assert not Path("m.plan.part").exists()


@pytest.mark.parametrize(
    ("precision", "version", "flags"),
    [
        ("fp32", "8.6.0", []),
        ("fp16", "8.6.0", ["FP16", "TF32"]),
        ("int8", "8.6.0", ["FP16", "INT8", "TF32"]),
        ("best", "8.6.0", ["FP16", "INT8", "TF32"]),
        ("fp32", "10.3.0", []),
        ("int8", "10.3.0", ["FP16", "INT8", "TF32"]),
        ("best", "10.3.0", ["BF16", "FP16", "INT8", "TF32"]),
    ],
)
def test_what_each_word_allows_the_builder(precision: str, version: str, flags: list[str], build: Build) -> None:
    told = build(PLAIN, "--precision", precision, version=version)
    assert told["flags"] == flags
    assert told["network"] == 1  # EXPLICIT_BATCH
    assert told["verbosity"] == "detailed"
    assert (told["sources"], told["profiles"], told["device"]) == (-1, [], ["GPU", -1])


def test_best_is_without_bf16_on_a_turing(build: Build, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tensorrt_stand_in.Builder, "platform_has_tf32", False)
    assert build(PLAIN, "--precision", "best", version="10.3.0")["flags"] == ["FP16", "INT8", "TF32"]


def test_tactic_sources_and_a_dla(build: Build) -> None:
    words = ["--tactic-sources", "edge_mask_convolutions, JIT_CONVOLUTIONS", "--dla-core", "1"]
    told = build(PLAIN, "--precision", "fp16", *words)
    assert told["sources"] == 0b11000
    assert told["device"] == ["DLA", 1]
    assert "GPU_FALLBACK" in told["flags"]
    with pytest.raises(RunError, match="no tactic source 'CUDA'") as caught:
        build(PLAIN, "--tactic-sources", "CUDNN,CUDA")
    assert caught.value.hint == "it has: CUBLAS, CUBLAS_LT, CUDNN, EDGE_MASK_CONVOLUTIONS, JIT_CONVOLUTIONS"


@pytest.mark.parametrize("version", BOTH)
def test_calibration_data_is_cut_into_batches(version: str, build: Build, capsys: pytest.CaptureFixture[str]) -> None:
    # GIVEN 5 samples and a network of batch 2
    samples = np.arange(15, dtype="f4").reshape(5, 3)
    np.savez_compressed("calib.npz", x=samples)
    # WHEN it is calibrated
    told = build(PLAIN, "--precision", "int8", "--calib", "calib.npz", "--calibration-cache", "c", version=version)
    # THEN two batches are given, and the fifth sample is said to be left out
    assert told["calibrated"] == {"size": 2, "batches": [[samples[:2].tobytes().hex()], [samples[2:4].tobytes().hex()]]}
    err = capsys.readouterr().err
    assert "note: the last 1 of 5 samples make no batch of 2: left out" in err
    assert "warning" not in err
    # AND what was found is kept, and taken again
    assert Path("c").read_bytes().startswith(b"TRT-8600")
    again = build(PLAIN, "--precision", "int8", "--calib", "c", "--calibration-cache", "d", version=version)
    assert again["calibrated"].startswith("TRT-8600")
    assert not Path("d").exists()


def test_a_dynamic_network_is_calibrated_as_it_is_tuned(build: Build) -> None:
    np.savez("calib.npz", x=np.arange(24).reshape(8, 3))  # whole numbers: they are converted
    told = build(DYNAMIC, "--precision", "int8", "--calib", "calib.npz", "--shapes", "x:4x3")
    assert told["profiles"] == [{"x": [[4, 3]] * 3}]
    assert told["calibration profile"] is True
    assert told["calibrated"]["size"] == 4
    first, second = (np.frombuffer(bytes.fromhex(batch[0]), "f4") for batch in told["calibrated"]["batches"])
    assert first.tolist() + second.tolist() == list(range(24))
    assert build(DYNAMIC, "--precision", "fp16", "--shapes", "x:4x3")["calibration profile"] is False


def test_without_data_the_calibration_is_random_and_said_to_be(
    build: Build, capsys: pytest.CaptureFixture[str]
) -> None:
    told = build(PLAIN, "--precision", "int8", "--calibration-cache", "c")
    assert "warning: no --calib: calibrated with random numbers. The engine's answers mean" in capsys.readouterr().err
    assert not Path("c").exists()  # nobody should mistake it for a calibration
    values = np.frombuffer(bytes.fromhex(told["calibrated"]["batches"][0][0]), "f4")
    assert len(set(values)) == 6
    assert build(PLAIN, "--precision", "best")["calibrated"] == told["calibrated"]
    assert build(PLAIN, "--precision", "int8", "--seed", "1")["calibrated"] != told["calibrated"]


def test_an_onnx_with_q_dq_nodes_needs_no_calibration(build: Build, capsys: pytest.CaptureFixture[str]) -> None:
    np.savez("calib.npz", x=np.zeros((2, 3)))
    told = build(QDQ, "--precision", "int8", "--calib", "calib.npz")
    assert told["calibrated"] is None
    err = capsys.readouterr().err
    assert "note: --calib is not used" in err
    assert "warning" not in err
    with pytest.raises(RunError, match=r"m.onnx holds Q/DQ nodes, which make INT8: no fp16 engine") as caught:
        build(QDQ, "--precision", "fp16")
    assert caught.value.code == USAGE


@pytest.mark.parametrize("newest", [{"version": "11.0.1"}, {"version": "1.3.0", "rtx": True}])
def test_a_strongly_typed_tensorrt_takes_the_types_of_the_onnx(newest: dict[str, Any], build: Build) -> None:
    told = build(QDQ, "--precision", "int8", **newest)
    assert (told["network"], told["flags"], told["calibrated"]) == (2, ["TF32"], None)  # STRONGLY_TYPED
    assert build(PLAIN, "--precision", "fp32", **newest)["flags"] == []
    assert build(HALF, "--precision", "fp16", **newest)["flags"] == ["TF32"]
    for model in (PLAIN, QDQ, HALF):
        assert build(model, "--precision", "best", **newest)["flags"] == ["TF32"]


@pytest.mark.parametrize(
    ("model", "precision", "error", "hint"),
    [
        (PLAIN, "int8", r"\(11.0.1\) takes the types of the ONNX, and those of m.onnx are FP32: int8 needs Q/DQ nodes",
         "python3 -m modelopt.onnx.quantization --onnx_path m.onnx"),
        (PLAIN, "fp16", "those of m.onnx are FP32: no fp16 engine comes of it",
         "python3 -m modelopt.onnx.autocast --onnx_path m.onnx"),
        (QDQ, "fp32", "those of m.onnx are INT8: no fp32 engine comes of it", "--precision best"),
        (HALF, "fp32", "those of m.onnx are FP16: no fp32 engine comes of it", "--precision best"),
        ({"layers": [["QUANTIZE", "FP8"]]}, "int8", "are FP8: no int8 engine", "python3 -m modelopt"),
    ],
)  # fmt: skip
def test_a_strongly_typed_tensorrt_calls_nothing_by_a_wrong_name(
    model: Any, precision: str, error: str, hint: str, build: Build
) -> None:
    with pytest.raises(RunError, match=error) as caught:
        build(model, "--precision", precision, version="11.0.1")
    assert caught.value.code == USAGE
    assert caught.value.hint.startswith(hint)


def test_a_tensorrt_without_dla(build: Build) -> None:
    with pytest.raises(RunError, match=r"TensorRT 11.0.1 knows no DLA"):
        build(PLAIN, "--precision", "fp32", "--dla-core", "0", version="11.0.1")


def test_all_errors_of_the_parser_are_told(build: Build, capsys: pytest.CaptureFixture[str]) -> None:
    old = [
        {"node": 3, "desc": "No importer registered for op: NonZero", "func": "importModel"},
        {"node": -1, "desc": "out of memory", "func": "f"},
    ]
    with pytest.raises(RunError) as caught:
        build({"errors": old}, "--precision", "fp16")
    assert caught.value.code == BAD_MODEL
    assert caught.value.message == (
        "TensorRT 8.6.0 can't parse m.onnx: node 3: No importer registered for op: NonZero, and 1 more"
    )
    err = capsys.readouterr().err
    assert err.count("NonZero") == 1  # the parser had logged it
    assert "[TensorRT] [E] out of memory (f)" in err
    new = [dict(old[0], node_name="/a/NonZero", node_operator="NonZero")]
    with pytest.raises(RunError, match=r"node 3 \(NonZero, '/a/NonZero'\): No importer registered for op: NonZero$"):
        build({"errors": new}, "--precision", "fp16", version="10.3.0")
    with pytest.raises(RunError, match=r"m.onnx can't be read by TensorRT 8.6.0: is it an ONNX file\?"):
        build("no such thing", "--precision", "fp16")


def test_a_network_that_can_not_be_built(build: Build, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(RunError, match=r"could not build fp16 of m.onnx: Error Code 10: Could not find any") as caught:
        build({"layers": [["UNBUILDABLE", "FLOAT"]]}, "--precision", "fp16")
    assert caught.value.code == NO_ENGINE
    assert "[TensorRT] [E] Error Code 10" in capsys.readouterr().err
    assert not Path("m.plan").exists()


def test_sizes_that_an_exporter_gave_one_name_are_to_be_fixed_in_the_onnx(build: Build) -> None:
    with pytest.raises(RunError, match="inconsistent") as caught:
        build({**DYNAMIC, "layers": [["TWINS", "FLOAT"]]}, "--precision", "fp16", "--shapes", "x:2x3")
    assert caught.value.hint == "polygraphy surgeon sanitize m.onnx --override-input-shapes x:[2,3] -o fixed.onnx"


def test_a_builder_that_does_not_start(build: Build, monkeypatch: pytest.MonkeyPatch) -> None:
    def init(self: Any, logger: Any) -> None:
        raise TypeError("pybind11::init(): factory function returned nullptr")

    monkeypatch.setattr(tensorrt_stand_in.Builder, "__init__", init)
    with pytest.raises(RunError, match="could not start its builder") as caught:
        build(PLAIN)
    assert caught.value.code == NO_DEVICE


@pytest.mark.parametrize(
    ("model", "shapes", "error", "hint"),
    [
        (DYNAMIC, "", "the input 'x' is dynamic: ?x3", "--shapes x:1x3"),
        (DYNAMIC, "x:4x5", "the input 'x' is ?x3, not 4x5", "it is ?x3"),
        (PLAIN, "x:4x3", "the input 'x' is 2x3, not 4x3", "leave its shape out: it is fixed in the ONNX"),
        (PLAIN, "z:4x3", "the network has no input 'z'", "it has: x"),
        ({**DYNAMIC, "sizes": ["x"]}, "", "the input 'x' holds sizes", "--shapes x:4x8"),
    ],
)
def test_shapes_that_do_not_fit(model: Any, shapes: str, error: str, hint: str, build: Build) -> None:
    with pytest.raises(RunError) as caught:
        build(model, "--precision", "fp16", "--shapes", shapes)
    assert (caught.value.message, caught.value.hint) == (error, hint)


def test_a_shape_tensor_is_given_values(build: Build) -> None:
    model = {"inputs": {"x": ["FLOAT", [-1, 3]], "s": ["INT32", [2]]}, "sizes": ["s"]}
    told = build(model, "--precision", "fp16", "--shapes", "x:4x3,s:8x8")
    assert told["profiles"] == [{"x": [[4, 3]] * 3, "values of s": [[8, 8]] * 3}]


X, Y = Wanted("x", "FLOAT", (2, 3)), Wanted("y", "INT32", (2,))


@pytest.mark.parametrize(
    ("arrays", "error"),
    [
        ({"x": np.zeros((4, 3))}, "holds no array for the input 'y'"),
        ({"x": np.zeros((4, 3)), "y": np.zeros(4), "z": np.zeros(4)}, "holds an array 'z', and the network has no"),
        ({"x": np.zeros((4, 5)), "y": np.zeros(4)}, "each sample of 'x' is 5 in c.npz, and the network takes 3"),
        (
            {"x": np.zeros((4, 3)), "y": np.zeros((4, 1))},
            "each sample of 'y' is 1 in c.npz",
        ),
        ({"x": np.zeros((1, 3)), "y": np.zeros(4)}, "c.npz holds 1 samples of 'x', and a batch takes 2"),
        ({"x": np.zeros((4, 3)), "y": np.zeros(8)}, "different numbers of batches: 'x' 2, 'y' 4"),
        ({"x": np.zeros((4, 3), order="F"), "y": np.zeros(4)}, "Fortran order"),
        ({"x": np.array(["a"]), "y": np.zeros(4)}, "can't read the array 'x'"),
    ],
)
def test_calibration_data_that_does_not_fit(
    arrays: dict[str, Any], error: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    np.savez("c.npz", **arrays)
    with pytest.raises(RunError, match=error) as caught:
        npz_batches("c.npz", [X, Y])  # before the first batch is asked for
    assert caught.value.code == USAGE


def test_what_is_no_calibration_data(build: Build) -> None:
    Path("c.npz").write_text("samples")
    with pytest.raises(RunError, match=r"can't read the calibration data of c.npz: File is not a zip file"):
        build(PLAIN, "--precision", "int8", "--calib", "c.npz")
    with pytest.raises(RunError, match=r"can't read none.npz: No such file"):
        build(PLAIN, "--precision", "int8", "--calib", "none.npz")


@pytest.mark.parametrize(("numpy_type", "dtype"), [("f8", "FLOAT"), ("u1", "FLOAT"), (">f4", "FLOAT"), ("f4", "FLOAT"),
    ("f4", "HALF"), ("i8", "INT32"), ("i4", "INT32"), ("f2", "HALF")])  # fmt: skip
def test_any_numbers_become_what_the_network_takes(numpy_type: str, dtype: str, tmp_path: Path) -> None:
    samples = np.arange(24).reshape(4, 2, 3).astype(numpy_type)
    np.savez_compressed(tmp_path / "c.npz", x=samples)
    native = {"FLOAT": "f4", "HALF": "f2", "INT32": "i4"}[dtype]
    for shape, cut in (((2, 2, 3), 2), ((1, 2, 3), 1), ((4, 2, 3), 4)):
        batches = list(npz_batches(str(tmp_path / "c.npz"), [Wanted("x", dtype, shape)]))
        expected = [samples[at : at + cut].astype(native).tobytes() for at in range(0, 4, cut)]
        assert [batch["x"] for batch in batches] == expected
    whole = list(npz_batches(str(tmp_path / "c.npz"), [Wanted("x", dtype, (2, 3))]))  # no batch axis: one at a time
    assert [batch["x"] for batch in whole] == [sample.astype(native).tobytes() for sample in samples]


def test_data_that_does_not_fit_the_type_ends_the_build(build: Build) -> None:
    np.savez("c.npz", x=np.full((2, 3), 1e6))  # more than a half can hold
    with pytest.raises(RunError, match="a value is out of the range of HALF"):
        build(HALF, "--precision", "int8", "--calib", "c.npz")
    assert not Path("m.plan").exists()


def test_a_random_batch_is_one() -> None:
    (batch,) = random_batch([X, Y], 3)
    assert {name: len(data) for name, data in batch.items()} == {"x": 24, "y": 8}


def test_a_full_disk(build: Build) -> None:
    Path("m.plan").mkdir()  # as good as: it can't be replaced
    with pytest.raises(RunError, match=r"can't write m.plan: Is a directory"):
        build(PLAIN, "--precision", "fp16")


def test_progress_on_a_pipe_is_few_lines(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.delenv(TERMINAL, raising=False)
    monkeypatch.setattr("tcscope.capture.runner.progress._FIRST_S", 0.05)
    with Progress("building m.plan") as progress:
        progress.begin("Building Engine", 7)
        progress.begin("inner", 100)
        progress.step("Building Engine", 2)
        progress.end("inner")
        time.sleep(0.5)  # 0.05, then 0.1, then 0.2, then ...
    lines = capsys.readouterr().err.splitlines()
    assert 1 <= len(lines) <= 3
    assert set(lines) <= {"note: building m.plan: 0 s, Building Engine 3/7"}


def test_progress_on_a_terminal_is_a_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv(TERMINAL, "1")
    with Progress("building m.plan"):
        time.sleep(1.2)
    err = capsys.readouterr().err
    assert "\n" not in err
    assert "building m.plan: 1 s" in err
    assert err.split("\r")[-2].strip() == ""  # it is wiped


PYTHONS = [*sorted(glob.glob(os.path.expanduser("~/.pyenv/versions/3.*/bin/python"))), sys.executable]


@pytest.mark.parametrize("python", PYTHONS)
def test_it_builds_under_other_pythons(python: str, tmp_path: Path) -> None:
    version = subprocess.run([python, "-c", "import sys; print(sys.version_info[1])"], capture_output=True, text=True)
    if not 8 <= int(version.stdout) <= 13:
        pytest.skip("not one that it is for")
    words = ["m.onnx", "--build", "m.plan", "--precision", "int8", "--calib"]
    environment = {"PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1", "CUDA_VISIBLE_DEVICES": ""}
    for calib, said in (("none.npz", "can't read none.npz: No such file or directory"), ("m.onnx", "error: ")):
        (tmp_path / "m.onnx").write_text("{}")
        done = subprocess.run(
            [python, RUNNER, *words, calib], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )
        assert said in done.stderr
        assert "Traceback" not in done.stderr
