"""The digits network: real images, real accuracy, and every number held against the plain way to measure it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("onnxruntime")
pytest.importorskip("sklearn")

from scipy.stats import spearmanr

from tcscope.cli import main
from tcscope.model.sensitivity import Calibration, Mode, Sensitivity
from tcscope.sensitivity.answer import sensitivity_of
from tcscope.sensitivity.bench import Bench, Settings
from tcscope.sensitivity.data import read_samples
from tcscope.sensitivity.metric import measure_of
from tcscope.sensitivity.network import load
from tests.support import digits, naive


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Path]:
    return digits.write(tmp_path_factory.mktemp("digits"))


@pytest.fixture(scope="module")
def bench(files: tuple[Path, Path, Path]) -> Bench:
    network = load(files[0])
    samples = read_samples(network, files[1], {}, extra=True, most=None, seed=0)
    return Bench(network, samples, Settings(Calibration.MINMAX, batch=200))


def logits(bench: Bench, layers: list[str] | tuple[str, ...]) -> Any:
    """The whole network with these layers between Q/DQ nodes."""
    model = naive.quantized(digits.model(), dict.fromkeys(layers, bench.clips))
    return naive.run(model, {"image": bench.samples.arrays["image"]})[0]


def test_the_network_reads_digits(bench: Bench) -> None:
    labels = bench.samples.extra["labels"]
    assert (logits(bench, []).argmax(1) == labels).mean() > 0.85
    assert bench.names() == digits.LAYERS


@pytest.mark.parametrize("metric", ["sqnr", "accuracy", "likelihood"])
def test_the_ranking_is_that_of_brute_force(bench: Bench, files: tuple[Path, Path, Path], metric: str) -> None:
    # GIVEN the loss of each layer by quantizing it and running the whole network
    base, inputs = {"logits": logits(bench, [])}, bench.inputs()
    measure = measure_of("sqnr" if metric == "sqnr" else f"{files[2]}:{metric}")
    expected = []
    for name in digits.LAYERS:
        now = {"logits": logits(bench, [name])}
        if measure.function is None:
            apart = (now["logits"] - base["logits"]).astype(np.float64)
            expected.append(float((apart**2).sum() / (base["logits"].astype(np.float64) ** 2).sum()))
        else:
            expected.append(measure.called(base, base, inputs) - measure.called(base, now, inputs))
    # WHEN only what changes is run
    found = [layer.loss for layer in sensitivity_of(bench, measure=measure).layers]
    # THEN both agree, and so does the order
    assert found == pytest.approx(expected, rel=1e-3, abs=1e-9)
    assert spearmanr(found, expected).statistic >= 0.95
    assert max(expected) > 0.02, "a ranking of layers that lose nothing would say little"


def test_all_but_one_and_any_mix_are_those_of_the_whole_network(bench: Bench) -> None:
    base = logits(bench, []).astype(np.float64)

    def loss(layers: list[str]) -> float:
        return float(((logits(bench, layers) - base) ** 2).sum() / (base**2).sum())

    found = sensitivity_of(bench, Mode.ALL_BUT_ONE)
    assert found.int8 is not None
    assert found.int8.loss == pytest.approx(loss(list(digits.LAYERS)), rel=1e-3)
    for layer in found.layers[::3]:
        assert layer.score.loss == pytest.approx(loss([n for n in digits.LAYERS if n != layer.name]), rel=1e-3)
        assert layer.loss == found.int8.loss - layer.score.loss
    mix = ["/conv0/Conv", "/conv5/Conv", "/fc1/MatMul"]
    assert bench.score(mix).loss == pytest.approx(loss(mix), rel=1e-3)
    assert bench.score([]).sqnr_db is None


def test_the_error_at_later_layers_is_that_of_their_inputs(bench: Bench) -> None:
    layer = sensitivity_of(bench).layers[2]
    assert [one.layer for one in layer.propagated] == list(digits.LAYERS[3:])
    base: dict[str, float] = dict.fromkeys(("r2", "h"), 0.0)
    noise = dict(base)
    for values in bench.references():
        changed = bench.machine.changed(values, [layer.name], to_int8=True)
        for name in base:
            base[name] += float((values[name].astype(np.float64) ** 2).sum())
            noise[name] += float(((changed[name] - values[name]).astype(np.float64) ** 2).sum())
    errors = {one.layer: one.error for one in layer.propagated}
    assert errors["/conv3/Conv"] == pytest.approx(noise["r2"] / base["r2"], rel=1e-4)
    assert errors["/fc1/MatMul"] == pytest.approx(noise["h"] / base["h"], rel=1e-4)


@pytest.mark.parametrize("method", list(Calibration)[:3])
def test_each_calibration_tells_what_it_clips(files: tuple[Path, Path, Path], method: Calibration) -> None:
    network = load(files[0])
    samples = read_samples(network, files[1], {}, extra=True, most=100, seed=0)
    bench = Bench(network, samples, Settings(method, percentile=99.0))
    found = sensitivity_of(bench)
    for layer in found.layers:
        (tensor,) = layer.activations
        values = np.concatenate([one[tensor.name].ravel() for one in bench.references()])
        assert (tensor.minimum, tensor.maximum) == (values.min(), values.max())
        assert tensor.clip is not None
        assert tensor.saturated == pytest.approx((np.abs(values) > tensor.clip * (1 + 1e-6)).mean())
        assert sum(tensor.histogram.counts) == values.size
        assert layer.weights is not None
        assert sum(layer.weights.histogram.counts) == np.prod(
            np.shape(digits.kept().w[list(digits.LAYERS).index(layer.name)])
        )
    shares = [layer.activations[0].saturated or 0.0 for layer in found.layers]
    if method is Calibration.MINMAX:
        assert shares == [0.0] * len(shares)
    if method is Calibration.PERCENTILE:
        assert all(share == pytest.approx(0.01, abs=0.005) for share in shares[1:])
    if method is Calibration.ENTROPY:
        assert 0 < max(shares) < 0.1


def test_the_answer_depends_neither_on_the_jobs_nor_on_being_stopped(
    files: tuple[Path, Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out, metric = tmp_path / "s.json", f"{files[2]}:likelihood"
    command = ["sensitivity", str(files[0]), "--data", str(files[1]), "--samples", "120", "--batch", "50"]
    command += ["--calibration", "min-max", "--metric", metric, "-o", str(out)]
    assert main([*command, "--jobs", "1"]) == 0
    whole = out.read_bytes()
    out.unlink()
    # GIVEN a run that is stopped in its middle
    from tcscope.sensitivity import measure

    real, calls = measure._one, []

    def stopped(*args: Any) -> Any:
        calls.append(args[1].name)
        if len(calls) > 11:
            raise KeyboardInterrupt
        return real(*args)

    monkeypatch.setattr(measure, "_one", stopped)
    assert main([*command, "--jobs", "1"]) == 2
    journal = out.with_name("s.json.part.jsonl")
    kept = [json.loads(line) for line in journal.read_text().splitlines()[1:]]
    assert len({(line["unit"], line["batch"]) for line in kept if "(" not in line["unit"]}) == 11
    journal.write_bytes(journal.read_bytes() + b'{"unit": "/con')  # and whose last line was cut
    # WHEN it is started again
    begun = len(calls)

    def counted(*args: Any) -> Any:
        calls.append(args[1].name)
        return real(*args)

    monkeypatch.setattr(measure, "_one", counted)
    assert main([*command, "--jobs", "3"]) == 0
    # THEN only the rest is measured, the answer is the same, and nothing is left of the journal
    assert len(calls) - begun == 3 * len(digits.LAYERS) - 11
    assert out.read_bytes() == whole
    assert sorted(path.name for path in tmp_path.iterdir()) == ["s.json"]
    capsys.readouterr()


def test_blocks_are_quantized_together(bench: Bench) -> None:
    pairs = sensitivity_of(bench, block="2")
    assert pairs.mode is Mode.BLOCK
    assert [layer.nodes for layer in pairs.layers] == [tuple(digits.LAYERS[at : at + 2]) for at in (0, 2, 4, 6)]
    assert pairs.layers[3].loss == bench.score(digits.LAYERS[6:]).loss
    kinds = sensitivity_of(bench, block=r"/(conv|fc)")
    assert [(layer.name, len(layer.nodes)) for layer in kinds.layers] == [("conv", 6), ("fc", 2)]


def test_a_saved_answer_is_read_and_shown_again(
    bench: Bench, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import jsonschema

    from tcscope.model.schema import sensitivity_schema

    found, path = sensitivity_of(bench), tmp_path / "s.json"
    found.save(path)
    assert Sensitivity.from_dict(json.loads(path.read_text())) == found
    jsonschema.validate(found.to_dict(), sensitivity_schema())
    assert main(["sensitivity", str(path)]) == 0
    shown = capsys.readouterr().out
    assert "/fc0/Gemm  Gemm" in shown
    assert max(map(len, shown.splitlines())) <= 80


def test_the_schema_that_ships_is_that_of_the_code() -> None:
    from tcscope.model.schema import sensitivity_schema
    from tests.support.places import REPOSITORY

    path = REPOSITORY / "tcscope" / "model" / "sensitivity.schema.json"
    said = f"python -m tcscope.model.schema sensitivity > {path}"
    assert json.loads(path.read_text()) == sensitivity_schema(), said
