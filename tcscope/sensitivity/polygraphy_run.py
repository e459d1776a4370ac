"""FP32 in ONNX Runtime and INT8 in TensorRT, run and recorded by Polygraphy on the machine that has the GPU."""

from __future__ import annotations

import ctypes
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path

from tcscope.errors import UsageError
from tcscope.model.sensitivity import Sensitivity
from tcscope.sensitivity.data import Samples
from tcscope.sensitivity.network import Network
from tcscope.sensitivity.polygraphy import read_runs, sensitivity_of_runs

_ELSEWHERE = "record it where the GPU is: {command}; then tcscope sensitivity MODEL --polygraphy runs.json"
Say = Callable[[str], None]


def command_of(model: Path, inputs: Path, outputs: Path) -> list[str]:
    """The command line: every tensor marked, the same inputs for both runners, which also calibrate INT8."""
    program = Path(sys.executable).with_name("polygraphy")
    return [
        str(program) if program.exists() else "polygraphy",
        *("run", str(model), "--onnxrt", "--trt", "--int8", "--fp16"),
        *("--onnx-outputs", "mark", "all", "--trt-outputs", "mark", "all"),
        *("--load-inputs", str(inputs), "--save-outputs", str(outputs)),
    ]


def require_engine(model: Path) -> None:
    """Raise UsageError where this Python has no TensorRT, no Polygraphy, or the machine no GPU."""
    shown = " ".join(map(shlex.quote, ["polygraphy", *command_of(model, Path("inputs.json"), Path("runs.json"))[1:]]))
    hint = _ELSEWHERE.format(command=shown)
    missing = [name for name in ("tensorrt", "polygraphy") if find_spec(name) is None]
    if missing:
        raise UsageError(f"--engine needs {' and '.join(missing)}, which this Python doesn't have", hint)
    if not _has_gpu():
        raise UsageError("--engine needs a GPU, and CUDA finds none", hint)


def run_engine(network: Network, samples: Samples, say: Say = lambda what: None) -> Sensitivity:
    """Run both, and compare every layer. Raises UsageError where Polygraphy fails, with the last line it said."""
    require_engine(network.path)
    from polygraphy.json import save_json

    with tempfile.TemporaryDirectory(prefix="tcscope-") as folder:
        inputs, outputs = Path(folder) / "inputs.json", Path(folder) / "runs.json"
        save_json(list(samples.batches(samples.fixed or 1)), str(inputs))
        command = command_of(network.path, inputs, outputs)
        say(" ".join(map(shlex.quote, command)))
        done = _run(command)
        # polygraphy fails where outputs differ, which they do in INT8: what counts is that both were saved
        if not outputs.exists():
            said = [line for line in (done.stderr + done.stdout).splitlines() if line.startswith(("[E]", "[!]"))]
            what = said[-1][4:] if said else f"exit code {done.returncode}"
            raise UsageError(f"polygraphy run failed: {what[:200]}", " ".join(map(shlex.quote, command)))
        return sensitivity_of_runs(read_runs([outputs]), network)


def _run(command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - a list, no shell


def _has_gpu() -> bool:
    """Whether the CUDA driver finds a device."""
    number = ctypes.c_int(0)
    try:
        driver = ctypes.CDLL("libcuda.so.1" if sys.platform != "win32" else "nvcuda.dll")
        return driver.cuInit(0) == 0 and driver.cuDeviceGetCount(ctypes.byref(number)) == 0 and number.value > 0
    except OSError:
        return False
