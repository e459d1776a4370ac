"""FP32 in ONNX Runtime and INT8 in TensorRT, run and recorded by Polygraphy on the machine that has the GPU."""

from __future__ import annotations

import ctypes
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tcscope.errors import UsageError
from tcscope.model.sensitivity import Sensitivity
from tcscope.sensitivity.data import Samples
from tcscope.sensitivity.network import Network
from tcscope.sensitivity.polygraphy import read_runs, sensitivity_of_runs
from tcscope.sensitivity.quantizable import quantizable

_RUN = "import sys; from polygraphy.tools import main; sys.exit(main())"  # the program may not be on the PATH
NEEDED = ("tensorrt", "polygraphy")  # modules of the Python that runs TensorRT's side
Say = Callable[[str], None]


@dataclass(frozen=True)
class Engine:
    """TensorRT's side: the Python that has it (None: this one), and the tactic sources that it may use (none: all)."""

    python: str | None = None
    tactic_sources: tuple[str, ...] = ()


def commands_of(
    model: Path, layers: Sequence[str], shapes: Mapping[str, Sequence[int]], folder: Path, engine: Engine
) -> list[list[str]]:
    """The two command lines, FP32's and INT8's: every tensor marked, both fed `inputs.json`, which also calibrates.

    `layers` shall run in INT8: left to itself TensorRT ran all of a small network in FP32, which is fast enough there.
    `shapes` are those of the inputs with open dimensions. Outputs go to `fp32.json` and `int8.json` in the folder.
    """
    fp32 = [sys.executable, "-c", _RUN, "run", str(model), "--onnxrt", "--onnx-outputs", "mark", "all"]
    int8 = [engine.python or sys.executable, "-c", _RUN, "run", str(model), "--trt", "--int8", "--fp16"]
    int8 += ["--precision-constraints", "prefer", "--layer-precisions", *(f"{name}:int8" for name in layers)]
    int8 += ["--trt-outputs", "mark", "all"]
    if shapes:
        int8 += ["--input-shapes", *(f"{name}:[{','.join(map(str, shape))}]" for name, shape in shapes.items())]
    if engine.tactic_sources:
        int8 += ["--tactic-sources", *engine.tactic_sources]
    ends = ["--load-inputs", str(folder / "inputs.json"), "--save-outputs"]
    return [[*fp32, *ends, str(folder / "fp32.json")], [*int8, *ends, str(folder / "int8.json")]]


def require_engine(model: Path, engine: Engine, missing: Sequence[str]) -> None:
    """Raise UsageError where that Python lacks what is NEEDED, or the machine a GPU."""
    if missing:
        names = " and ".join(missing)
        what = f"--engine needs {names}, which {engine.python or 'this Python'} doesn't have"
        other = "--python /usr/bin/python3  # one that has it; of runs recorded elsewhere: --polygraphy"
        raise UsageError(what, f"{engine.python} -m pip install {' '.join(missing)}" if engine.python else other)
    if not _has_gpu():
        record = (
            f"polygraphy run {shlex.quote(str(model))} --onnxrt --trt --int8 --fp16 --onnx-outputs mark all "
            "--trt-outputs mark all --save-outputs runs.json  # where the GPU is; then --polygraphy runs.json here"
        )
        raise UsageError("--engine needs a GPU, and CUDA finds none", record)


def run_engine(network: Network, samples: Samples, engine: Engine, say: Say = lambda what: None) -> Sensitivity:
    """Run both, and compare every layer. Raises UsageError where Polygraphy fails, with the last line it said."""
    from polygraphy.json import save_json

    batch = samples.fixed or 1
    dynamic = {value.name for value in network.inputs if _is_open(value)}
    shapes = {name: (batch, *array.shape[1:]) for name, array in samples.arrays.items() if name in dynamic}
    with tempfile.TemporaryDirectory(prefix="tcscope-") as name:
        folder = Path(name)
        save_json(list(samples.batches(batch)), str(folder / "inputs.json"))
        layers = [layer.name for layer in quantizable(network)[0]]
        for command in commands_of(network.path, layers, shapes, folder, engine):
            say(" ".join(command[3:]))
            _run(command)
        return sensitivity_of_runs(read_runs([folder / "fp32.json", folder / "int8.json"]), network)


def _run(command: Sequence[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)  # noqa: S603
    if done.returncode == 0 and Path(command[-1]).exists():
        return
    said = [line for line in (done.stderr + done.stdout).splitlines() if line.startswith(("[E]", "[!]"))]
    what = said[-1][4:] if said else f"exit code {done.returncode}"
    raise UsageError(f"polygraphy run failed: {what[:200]}", " ".join(map(shlex.quote, command)))


def _is_open(value: object) -> bool:
    dims = value.type.tensor_type.shape.dim  # type: ignore[attr-defined] # a ValueInfoProto
    return not all(dim.HasField("dim_value") and dim.dim_value > 0 for dim in dims)


def _has_gpu() -> bool:
    """Whether the CUDA driver finds a device."""
    number = ctypes.c_int(0)
    try:
        driver = ctypes.CDLL("libcuda.so.1" if sys.platform != "win32" else "nvcuda.dll")
        return driver.cuInit(0) == 0 and driver.cuDeviceGetCount(ctypes.byref(number)) == 0 and number.value > 0
    except OSError:
        return False
