"""Real pretrained networks: PP-OCR's recognition and detection, as a package ships them, reading words."""

from __future__ import annotations

from collections import Counter
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import pytest
from PIL import Image, ImageDraw, ImageFont
from scipy.stats import spearmanr

from tcscope.analysis.advise.build import Plan
from tcscope.model.advise import Aim, Goal
from tcscope.model.sensitivity import Calibration
from tcscope.sensitivity.answer import sensitivity_of
from tcscope.sensitivity.bench import Bench, Settings
from tcscope.sensitivity.data import read_samples
from tcscope.sensitivity.metric import Measure
from tcscope.sensitivity.mix import measured_advice, run
from tcscope.sensitivity.network import load
from tests.support import naive
from tests.support.mixes import fp16, int8

SPEC = find_spec("rapidocr_onnxruntime")
MODELS = Path(SPEC.origin).parent / "models" if SPEC is not None and SPEC.origin else Path("none")


def written(text: str, height: int, width: int) -> npt.NDArray[np.float32]:
    """A word on paper, as PP-OCR is fed: channels first, from -1 to 1."""
    image = Image.new("RGB", (width, height), (236, 231, 219))
    ImageDraw.Draw(image).text((8, height // 2 - 16), text, (30, 30, 60), ImageFont.load_default(26))
    return np.asarray(image, dtype=np.float32).transpose(2, 0, 1) / 127.5 - 1


def bench_of(folder: Path, name: str, height: int, width: int) -> tuple[Path, Bench]:
    """A network on two words."""
    path = next(MODELS.glob(f"*{name}*.onnx"), None)
    if path is None:
        pytest.skip("rapidocr-onnxruntime is not installed")
    parts = [written(text, height, width) for text in ("Tensor", "CORES")]
    np.savez(folder / "words.npz", x=np.stack(parts))
    network = load(path)
    samples = read_samples(network, folder / "words.npz", {}, extra=False, most=None, seed=0)
    return path, Bench(network, samples, Settings(Calibration.MINMAX))


@pytest.mark.parametrize(
    ("name", "height", "width", "ops"),
    [("rec", 48, 96, {"Conv", "MatMul"}), ("det", 96, 96, {"Conv", "ConvTranspose"})],
)
def test_the_ranking_of_a_real_network_is_that_of_brute_force(
    tmp_path: Path, name: str, height: int, width: int, ops: set[str]
) -> None:
    path, bench = bench_of(tmp_path, name, height, width)
    found = sensitivity_of(bench)
    assert len(found.layers) > 40
    assert {layer.op for layer in found.layers} >= ops
    model = onnx.load(str(path))
    inner = {value.name for value in model.graph.initializer}
    inner |= {node.output[0] for node in model.graph.node if node.op_type == "Constant"}
    feeds = bench.samples.arrays
    base = [one.astype(np.float64) for one in naive.run(model, feeds)]
    # every tenth layer whose weight the file holds as it is, and whose name is alone
    names = Counter(node.name for node in model.graph.node)
    plain = {node.name for node in model.graph.node if names[node.name] == 1 and set(node.input[1:2]) <= inner}
    some = [layer.name for layer in bench.layers if layer.name in plain and layer.op in ("Conv", "MatMul")][::10]
    assert len(some) > 4
    expected = []
    for layer in some:
        new = naive.run(naive.quantized(model, {layer: bench.clips}), feeds)
        ratios = [float(((a - b) ** 2).sum() / (b**2).sum()) for a, b in zip(new, base, strict=True)]
        expected.append(sum(ratios) / len(ratios))
    losses = {layer.name: layer.loss for layer in found.layers}
    assert [losses[layer] for layer in some] == pytest.approx(expected, rel=0.02)
    assert spearmanr([losses[layer] for layer in some], expected).statistic >= 0.95


@pytest.mark.parametrize(("name", "height", "width"), [("cls", 48, 192), ("rec", 48, 96), ("det", 96, 96)])
def test_the_mix_of_a_real_network_wins_back_four_fifths_and_needs_each_of_its_layers(
    tmp_path: Path, name: str, height: int, width: int
) -> None:
    # GIVEN layers that all take as long, and lose together a fraction of what they lose alone
    _, bench = bench_of(tmp_path, name, height, width)
    names = bench.names()
    table = sensitivity_of(bench)
    traces = fp16([40_000] * len(names), names), int8([30_000] * len(names), names)
    # WHEN a mix is chosen and measured
    advice, model = measured_advice(Plan(*traces, table, Goal(Aim.RECOVER, 0.8)), bench, Measure())
    mix = advice.measured
    assert mix is not None
    # THEN it is few layers, run as the file says it, and one less would not do
    assert mix.recovered >= 0.8
    assert 0 < len(mix.keep) < len(names) / 2
    assert run(bench, model, Measure()).loss == mix.loss
    for layer in mix.keep:
        less = bench.score(set(names) - set(mix.keep) | {layer})
        assert 1 - less.loss / mix.int8_loss < 0.8, layer
    # AND where prediction was off by more than a quarter it is said so
    near = abs(mix.predicted_loss - mix.loss) <= 0.25 * mix.loss
    assert ("layers-interact" in [finding.code for finding in advice.findings]) != near
