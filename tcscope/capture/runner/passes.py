"""The two ways to run an engine: to be recorded, and to say which layers it has and how long each takes."""

from __future__ import annotations

import contextlib
import importlib
import json
import sys
from typing import Any, Callable

from tcscope.capture.runner.cuda import Cuda
from tcscope.capture.runner.failure import FAILED, RunError

RANGE = "inference"


def ranges() -> Callable[[], Any]:
    """What makes the NVTX range around an inference; nothing where nvtx is not installed."""
    try:
        nvtx = importlib.import_module("nvtx")
    except ImportError:
        return contextlib.nullcontext
    return lambda: nvtx.annotate(RANGE)


class Inference:
    """One inference, started and waited for."""

    def __init__(self, cuda: Cuda, tensors: Any) -> None:
        self._cuda, self._tensors = cuda, tensors
        self._stream = cuda.stream()
        self._graph = 0

    def run(self) -> None:
        """Run it. Raises RunError where TensorRT doesn't."""
        if self._graph:
            self._cuda.launch(self._graph, self._stream)
        else:
            self._enqueue()
        self._cuda.wait(self._stream)

    def make_graph(self) -> None:
        """From now on launch a CUDA graph of it."""
        self._cuda.begin(self._stream)
        try:
            self._enqueue()
        finally:
            graph = self._cuda.end(self._stream)
        self._graph = graph

    def _enqueue(self) -> None:
        if not self._tensors.enqueue(self._stream):
            raise RunError(FAILED, "TensorRT could not run the engine", "its own words are above")


def measure(cuda: Cuda, inference: Inference, warmup: int, iterations: int, graph: bool) -> None:
    """Warm up, then run so many inferences in the part that nsys records, each in its NVTX range."""
    for _ in range(max(warmup, 1) if graph else warmup):
        inference.run()
    if graph:
        inference.make_graph()
        inference.run()
    named = ranges()
    cuda.start()
    for _ in range(iterations):
        with named():
            inference.run()
    cuda.stop()


def layer_info(trt: Any, engine: Any, context: Any) -> str:
    """What the engine inspector says of the layers, as JSON, and TensorRT's version; empty where it has none."""
    if not hasattr(engine, "create_engine_inspector"):
        print("note: this TensorRT has no engine inspector: no layer file", file=sys.stderr)
        return ""
    inspector = engine.create_engine_inspector()
    inspector.execution_context = context
    text = str(inspector.get_engine_information(trt.LayerInformationFormat.JSON))
    try:
        told = json.loads(text, strict=False)  # it holds raw control characters
        return json.dumps({**told, "TensorRT": str(trt.__version__)} if isinstance(told, dict) else told, indent=1)
    except ValueError:
        return text


def layer_profile(trt: Any, context: Any, inference: Inference, warmup: int, iterations: int) -> str:
    """The time of each layer as trtexec's --exportProfile writes it."""

    class Profiler(trt.IProfiler):  # type: ignore[misc] # TensorRT is another interpreter's
        def __init__(self) -> None:
            trt.IProfiler.__init__(self)
            self.times: dict[str, list[float]] = {}

        def report_layer_time(self, layer_name: str, ms: float) -> None:
            self.times.setdefault(layer_name, []).append(ms)

    for _ in range(warmup):
        inference.run()
    profiler = Profiler()
    context.profiler = profiler
    for _ in range(iterations):
        inference.run()
    return json.dumps(profile_rows(profiler.times, iterations), indent=1)


def profile_rows(times: dict[str, list[float]], iterations: int) -> list[dict[str, Any]]:
    """trtexec's rows: the number of inferences, then each layer's sum, mean and median in ms and its share in %."""
    whole = sum(sum(ms) for ms in times.values())
    rows: list[dict[str, Any]] = [{"count": iterations}]
    for name, ms in times.items():
        middle = sorted(ms)[len(ms) // 2]
        share = 100 * sum(ms) / whole if whole else 0.0
        rows.append(
            {
                "name": name,
                "timeMs": sum(ms),
                "averageMs": sum(ms) / iterations,
                "medianMs": middle,
                "percentage": share,
            }
        )
    return rows
