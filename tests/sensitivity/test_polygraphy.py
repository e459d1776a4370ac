"""Runs that Polygraphy recorded: real ones of the digits network, FP32 and Q/DQ, in ONNX Runtime."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest

from tcscope.cli import main
from tcscope.errors import UsageError
from tcscope.model.sensitivity import Calibration, Mode, Sensitivity
from tcscope.model.words import Level
from tcscope.sensitivity import polygraphy_run
from tcscope.sensitivity.bench import Bench, Settings
from tcscope.sensitivity.data import read_samples
from tcscope.sensitivity.mix_model import quantized
from tcscope.sensitivity.network import load
from tcscope.sensitivity.polygraphy import read_runs, sensitivity_of_runs
from tcscope.sensitivity.polygraphy_run import Engine, commands_of
from tests.support import digits
from tests.support.cli import failure

polygraphy = pytest.importorskip("polygraphy")
comparator = pytest.importorskip("polygraphy.comparator")
POLYGRAPHY = Path(sys.executable).with_name("polygraphy")


def bench_of(folder: Path) -> Bench:
    digits.write(folder, 16)
    network = load(folder / "digits.onnx")
    samples = read_samples(network, folder / "digits.npz", {}, extra=True, most=None, seed=0)
    return Bench(network, samples, Settings(Calibration.MINMAX))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `polygraphy run` wrote of the network in FP32 and with Q/DQ nodes, fed the same."""
    made = tmp_path_factory.mktemp("runs")
    bench = bench_of(made)
    onnx.save(quantized(bench, ()), made / "int8.onnx")
    from polygraphy.json import save_json

    save_json(list(bench.samples.batches(8)), str(made / "inputs.json"))
    for model, out in (("digits.onnx", "fp32.json"), ("int8.onnx", "int8.json")):
        subprocess.run(
            [
                *(POLYGRAPHY, "run", made / model, "--onnxrt", "--onnx-outputs", "mark", "all"),
                *("--load-inputs", made / "inputs.json", "--save-outputs", made / out, "--silent"),
            ],
            check=True,
            capture_output=True,
            timeout=120,
        )
    return made


def test_every_layer_of_the_network_is_compared_at_its_output(folder: Path) -> None:
    network = load(folder / "digits.onnx")
    found = sensitivity_of_runs(read_runs([folder / "fp32.json", folder / "int8.json"]), network)
    assert [layer.name for layer in found.layers] == list(digits.LAYERS)
    assert (found.mode, found.samples) == (Mode.COMPARED, 16)
    # AND each is what numpy says of the tensors
    values = comparator.RunResults.load(str(folder / "fp32.json"))[0][1]
    others = comparator.RunResults.load(str(folder / "int8.json"))[0][1]
    for layer, tensor in zip(found.layers, ("c0", "c1", "c2", "c3", "c4", "c5", "g", "p"), strict=True):
        a, b = (np.concatenate([one[tensor] for one in run]).astype(np.float64) for run in (values, others))
        assert layer.score.loss == pytest.approx(((a - b) ** 2).sum() / (a**2).sum())
        assert layer.score.sqnr_db == pytest.approx(-10 * np.log10(layer.score.loss))


def test_a_layer_loses_what_it_adds_to_the_noise_that_it_reads(folder: Path) -> None:
    network = load(folder / "digits.onnx")
    found = {
        x.name: x for x in sensitivity_of_runs(read_runs([folder / "fp32.json", folder / "int8.json"]), network).layers
    }
    first = found["/conv0/Conv"]
    assert first.loss == first.score.loss  # it reads the image, the same in both
    runs = read_runs([folder / "fp32.json", folder / "int8.json"])
    (_, base), (_, new) = runs
    a, b = (np.concatenate([one["h"] for one in run]).astype(np.float64) for run in (base, new))
    last = found["/fc1/MatMul"]
    assert last.loss == pytest.approx(last.score.loss - ((a - b) ** 2).sum() / (a**2).sum())


def test_without_the_network_each_tensor_is_a_layer(folder: Path) -> None:
    found = sensitivity_of_runs(read_runs([folder / "fp32.json", folder / "int8.json"]))
    assert [layer.name for layer in found.layers][:3] == ["c0", "r0", "c1"]
    assert [finding.code for finding in found.findings] == ["no-network"]


def test_names_of_torch_become_those_of_its_nodes(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    base = {"/conv1/Conv_output_0": rng.standard_normal((1, 4)).astype(np.float32)}
    runs = [("a", [base]), ("b", [{name: value + 0.1 for name, value in base.items()}])]
    (layer,) = sensitivity_of_runs(runs).layers  # type: ignore[arg-type]
    assert (layer.name, layer.op) == ("/conv1/Conv", "Conv")


def test_one_file_with_two_runs_is_enough(folder: Path, tmp_path: Path) -> None:
    both = comparator.RunResults.load(str(folder / "fp32.json"))
    other = comparator.RunResults.load(str(folder / "int8.json"))
    both.append(("trt-runner", other[0][1]))
    both.save(str(tmp_path / "both.json"))
    network = load(folder / "digits.onnx")
    together = sensitivity_of_runs(read_runs([tmp_path / "both.json"]), network)
    apart = sensitivity_of_runs(read_runs([folder / "fp32.json", folder / "int8.json"]), network)
    assert together.layers == apart.layers


def test_the_command_gives_the_table(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    runs = [str(folder / name) for name in ("fp32.json", "int8.json")]
    saved = tmp_path / "s.json"
    assert main(["sensitivity", str(folder / "digits.onnx"), "--polygraphy", *runs, "-o", str(saved)]) == 0
    found = Sensitivity.from_dict(json.loads(saved.read_text()))
    assert [layer.name for layer in found.layers] == list(digits.LAYERS)
    capsys.readouterr()
    assert main(["sensitivity", "--polygraphy", *runs]) == 0
    assert "c0" in capsys.readouterr().out


class TestWrong:
    def test_a_file_of_something_else(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        (tmp_path / "a.json").write_text('{"schema": "tcscope.report/1"}')
        said = failure(capsys, "sensitivity", "--polygraphy", tmp_path / "a.json", tmp_path / "a.json")
        assert said.code == 2
        assert said.error.endswith("a.json is nothing that polygraphy run --save-outputs wrote")

    def test_no_file(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        said = failure(capsys, "sensitivity", "--polygraphy", tmp_path / "none.json")
        assert said.error.endswith("none.json")
        assert "polygraphy run" in said.hint

    def test_a_single_run(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        said = failure(capsys, "sensitivity", "--polygraphy", folder / "fp32.json")
        assert "holds one run" in said.error

    def test_runs_that_were_not_fed_the_same(self) -> None:
        one, other = {"t": np.zeros((1, 4), np.float32)}, {"t": np.zeros((2, 4), np.float32)}
        with pytest.raises(UsageError, match="'t' differs in shape: a 1x4, b 2x4"):
            sensitivity_of_runs([("a", [one]), ("b", [other])])
        with pytest.raises(UsageError, match="a has 2 iterations, b 1"):
            sensitivity_of_runs([("a", [one, one]), ("b", [one])])

    def test_runs_without_a_tensor_in_common(self) -> None:
        value = np.zeros((1, 4), np.float32)
        with pytest.raises(UsageError, match="no tensor in common"):
            sensitivity_of_runs([("a", [{"t": value}]), ("b", [{"u": value}])])


class TestEngine:
    def test_without_tensorrt_another_python_is_asked_for(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        from importlib.util import find_spec

        if find_spec("tensorrt"):
            pytest.skip("TensorRT is here")
        digits.write(tmp_path, 8)
        said = failure(capsys, "sensitivity", tmp_path / "digits.onnx", "--engine", "--random", "4")
        assert said.code == 2
        assert "--engine needs tensorrt" in said.error
        assert said.hint.startswith("--python /usr/bin/python3")

    def test_without_a_gpu_the_command_to_type_where_one_is_is_told(self, tmp_path: Path) -> None:
        if polygraphy_run._has_gpu():
            pytest.skip("a GPU is here")
        with pytest.raises(UsageError) as raised:
            polygraphy_run.require_engine(tmp_path / "digits.onnx", Engine(), ())
        assert str(raised.value) == "--engine needs a GPU, and CUDA finds none"
        assert "polygraphy run" in raised.value.hint
        assert "--save-outputs runs.json" in raised.value.hint

    def test_polygraphy_knows_every_argument_and_runs_the_first_half(self, tmp_path: Path) -> None:
        bench = bench_of(tmp_path)
        from polygraphy.json import save_json

        save_json(list(bench.samples.batches(1)), str(tmp_path / "inputs.json"))
        engine = Engine(None, ("EDGE_MASK_CONVOLUTIONS", "JIT_CONVOLUTIONS"))
        shapes = {"image": (1, 1, 8, 8)}
        fp32, int8 = commands_of(tmp_path / "digits.onnx", bench.names(), shapes, tmp_path, engine)
        subprocess.run(fp32, check=True, capture_output=True, timeout=120)
        ((_, run),) = comparator.RunResults.load(str(tmp_path / "fp32.json"))
        (base,) = bench.references()
        assert np.concatenate([one["logits"] for one in run]) == pytest.approx(base["logits"], rel=1e-4, abs=1e-4)
        # AND the second is generated, not run: it needs TensorRT
        script = tmp_path / "generated.py"
        done = subprocess.run([*int8, "--gen-script", script], capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
        written = script.read_text()
        for expected in (
            *("int8=True", "fp16=True", "MARK_ALL", "precision_constraints='prefer'", "'/conv0/Conv': trt.int8"),
            *("trt.TacticSource.EDGE_MASK_CONVOLUTIONS", "[1, 1, 8, 8]"),
        ):
            assert expected in written, (expected, written)

    def test_the_python_that_is_named_is_asked(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        digits.write(tmp_path, 8)
        arguments = ("sensitivity", tmp_path / "digits.onnx", "--engine", "--random", "4", "--python")
        said = failure(capsys, *arguments, "no-such-python")
        assert said.error == "--python is 'no-such-python', which is no program"
        for program in ("true", "false"):
            said = failure(capsys, *arguments, program)
            assert said.error == f"--python is '{program}', which does not run as a Python"
        said = failure(capsys, *arguments, sys.executable, "--tactic-sources", "CUDN")
        assert "no tactic source 'CUDN'" in said.error

    @pytest.mark.parametrize("option", ["--python", "--tactic-sources"])
    def test_its_options_belong_to_it(self, tmp_path: Path, capsys: pytest.CaptureFixture[str], option: str) -> None:
        said = failure(capsys, "sensitivity", tmp_path / "digits.onnx", "--random", "4", option, "x")
        assert said.error == f"{option} belongs to --engine"


def test_a_run_that_was_not_int8_is_told_by_how_little_it_differs() -> None:
    # a small network that TensorRT 8.6 was left to build with --int8 --fp16 ran in FP32: 133 dB at its output
    rng = np.random.default_rng(0)
    base = {name: rng.standard_normal((4, 64)).astype(np.float32) for name in ("a", "b")}
    near = {name: value * np.float32(1 + 1e-6) for name, value in base.items()}
    far = {"a": near["a"], "b": base["b"] + rng.standard_normal((4, 64)).astype(np.float32) / 100}
    found = {finding.code: finding for finding in sensitivity_of_runs([("fp32", [base]), ("trt", [near])]).findings}
    assert found["not-int8"].level is Level.WARNING
    assert found["not-int8"].message == ("none of 2 layers ran in INT8, by how little they differ (over 60 dB): a, b")
    found = {finding.code: finding for finding in sensitivity_of_runs([("fp32", [base]), ("trt", [far])]).findings}
    assert (found["not-int8"].level, found["not-int8"].layers) == (Level.NOTE, ("a",))
