"""Layer by layer: only what a layer's error reaches, against the whole network for each layer.

`python -m tests.bench.measure_sensitivity` prints three ways for networks of some fifty layers:

- tcscope's: ranges of the activations, every layer, its error at each later layer;
- whole: onnxruntime with Q/DQ nodes around one layer, a session for each, outputs alone, ranges given;
- quantize_static: onnxruntime's own tool for each layer, which finds the ranges anew, and then a run. Towers only.
"""

from __future__ import annotations

import logging
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import onnx
from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod, QuantFormat, QuantType, quantize_static

from tcscope.model.sensitivity import Calibration
from tcscope.sensitivity.answer import sensitivity_of
from tcscope.sensitivity.bench import Bench, Settings
from tcscope.sensitivity.data import Samples, random_samples
from tcscope.sensitivity.network import Network, load
from tests.support import naive
from tests.support.towers import resnet50, tower

CASES: tuple[tuple[str, Callable[[], onnx.ModelProto], tuple[int, ...], int], ...] = (
    ("50 convolutions, each stage 0.39 of the one before", lambda: tower(50, grow=1.25), (2, 8), 3),
    ("50 convolutions, all stages alike", lambda: tower(50, grow=2.0), (2, 8), 3),
    ("ResNet-50", resnet50, (1, 2, 4), 1),
)


def least(run: Callable[[], object], runs: int) -> float:
    """Seconds, the least of some runs."""
    times = []
    for _ in range(runs):
        began = time.perf_counter()
        run()
        times.append(time.perf_counter() - began)
    return min(times)


def reused(network: Network, samples: Samples, jobs: int | None) -> None:
    """tcscope's way, calibration included."""
    sensitivity_of(Bench(network, samples, Settings(Calibration.MINMAX, jobs=jobs)))


def whole(bench: Bench, threads: int) -> None:
    """The plain way; the ranges of the activations are given."""
    for name in bench.names():
        naive.run(naive.quantized(bench.network.model, {name: bench.clips}), bench.samples.arrays, threads)


def with_the_tool(bench: Bench, threads: int, folder: Path) -> None:
    """As onnxruntime's documentation does it, for a layer at a time."""
    for name in bench.names():
        made = folder / "quantized.onnx"
        quantize_static(
            str(bench.network.path),
            str(made),
            _Reader(bench.samples),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            activation_type=QuantType.QInt8,
            weight_type=QuantType.QInt8,
            nodes_to_quantize=[name],
            calibrate_method=CalibrationMethod.MinMax,
            extra_options={"ActivationSymmetric": True},
        )
        naive.run(onnx.load(str(made)), bench.samples.arrays, threads)


class _Reader(CalibrationDataReader):  # type: ignore[misc] # onnxruntime is untyped
    """All samples at once."""

    def __init__(self, samples: Samples) -> None:
        self._left = iter([samples.arrays])

    def get_next(self) -> object:
        """The next batch, or None."""
        return next(self._left, None)


def main() -> None:
    """Measure and print."""
    logging.disable(logging.WARNING)
    for what, made, counts, runs in CASES:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            onnx.save(made(), str(folder / "network.onnx"))
            network = load(folder / "network.onnx")
            for count in counts:
                samples = random_samples(network, {}, count, 0)
                bench = Bench(network, samples, Settings(Calibration.MINMAX))
                for label, jobs, threads in (("one thread", 1, 1), ("default", None, 0)):
                    ours = least(lambda n=network, s=samples, j=jobs: reused(n, s, j), runs)  # type: ignore[misc]
                    plain = least(lambda b=bench, t=threads: whole(b, t), runs)  # type: ignore[misc]
                    line = f"{what}, {count} samples, {label}: {ours:.2f} s, whole {plain:.2f} s ({plain / ours:.1f} x)"
                    if runs > 1:
                        tool = least(lambda b=bench, t=threads, f=folder: with_the_tool(b, t, f), 1)  # type: ignore[misc]
                        line += f", quantize_static {tool:.1f} s ({tool / ours:.0f} x)"
                    print(line, flush=True)


if __name__ == "__main__":
    main()
