"""Layer by layer: only what a layer's error reaches, against the whole network for each layer.

`python -m tests.bench.measure_sensitivity` prints both for networks of fifty convolutions, on one thread each and as
they are run by default. The whole network is run with onnxruntime, Q/DQ nodes around one layer, a session for each.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import onnx

from tcscope.model.sensitivity import Calibration
from tcscope.sensitivity.answer import sensitivity_of
from tcscope.sensitivity.bench import Bench, Settings
from tcscope.sensitivity.data import Samples, random_samples
from tcscope.sensitivity.network import Network, load
from tests.support import naive
from tests.support.towers import tower

_RUNS = 3
CASES = (("each stage costs 0.39 of the one before", 1.25), ("each stage costs as much", 2.0))


def least(run: Callable[[], object]) -> float:
    """Seconds, the least of some runs."""
    times = []
    for _ in range(_RUNS):
        began = time.perf_counter()
        run()
        times.append(time.perf_counter() - began)
    return min(times)


def reused(network: Network, samples: Samples, jobs: int | None) -> None:
    """tcscope's way, calibration included."""
    sensitivity_of(Bench(network, samples, Settings(Calibration.MINMAX, jobs=jobs)))


def whole(network: Network, samples: Samples, threads: int) -> None:
    """The plain way; the ranges of the activations are given."""
    bench = Bench(network, samples, Settings(Calibration.MINMAX))
    for name in bench.names():
        naive.run(naive.quantized(network.model, {name: bench.clips}), samples.arrays, threads)


def main() -> None:
    """Measure and print."""
    for what, grow in CASES:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "tower.onnx"
            onnx.save(tower(50, grow=grow), str(path))
            network = load(path)
        for count in (2, 8):
            samples = random_samples(network, {}, count, 0)
            for label, jobs, threads in (("one thread", 1, 1), ("default", None, 0)):
                plain = least(lambda n=network, s=samples, t=threads: whole(n, s, t))  # type: ignore[misc]
                ours = least(lambda n=network, s=samples, j=jobs: reused(n, s, j))  # type: ignore[misc]
                print(
                    f"{what}, {count} samples, {label}: {plain:.2f} s whole, {ours:.2f} s reused: {plain / ours:.1f} x"
                )


if __name__ == "__main__":
    main()
