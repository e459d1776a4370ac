"""The parts of the runner that need no TensorRT; with one it is run on a GPU, not here."""

from __future__ import annotations

import ctypes
import glob
import json
import math
import os
import random
import struct
import subprocess
import sys
from array import array
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tcscope.capture.engine import RUNNER
from tcscope.capture.runner import cuda, plan
from tcscope.capture.runner.dtypes import BITS, name_of, packed, size_of
from tcscope.capture.runner.failure import BAD_PLAN, CODES, COMPLAINT, NO_DEVICE, RunError, complain
from tcscope.capture.runner.feed import Feed, connect, padded
from tcscope.capture.runner.memory import Memory
from tcscope.capture.runner.passes import profile_rows
from tcscope.capture.runner.shapes import parse_shapes
from tcscope.capture.runner.tensors import Tensor
from tcscope.capture.runner.values import Array, random_bytes, read_npz

PYTHONS = [*sorted(glob.glob(os.path.expanduser("~/.pyenv/versions/3.*/bin/python"))), sys.executable]
OLDEST, NEWEST = (3, 8), (3, 13)


def seeded(seed: int) -> random.Random:
    return random.Random(seed)  # noqa: S311 - test data


def version_of(python: str) -> tuple[int, ...]:
    done = subprocess.run(
        [python, "-c", "import sys; print(*sys.version_info[:2])"], capture_output=True, text=True, check=False
    )
    return tuple(map(int, done.stdout.split()))


@pytest.mark.parametrize("python", PYTHONS)
def test_it_starts_under_other_pythons(python: str, tmp_path: Path) -> None:
    if not OLDEST <= version_of(python) <= NEWEST:
        pytest.skip("not one that it is for")
    environment = {"PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1"}
    shown = subprocess.run([python, RUNNER, "--help"], capture_output=True, text=True, check=False, env=environment)
    assert (shown.returncode, shown.stderr) == (0, "")
    assert "--layer-profile" in shown.stdout
    done = subprocess.run(
        [python, RUNNER, tmp_path / "x.plan", "--shapes", "x"],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
    )
    assert done.returncode == 2
    assert done.stderr == "error: 'x' is no shape\n  hint: --shapes input:1x3x224x224,mask:1x128\n"


def test_it_brings_no_package_of_this_python_along(tmp_path: Path) -> None:
    (tmp_path / "tensorrt.py").write_text(
        "import sys\nprint(sorted(m for m in sys.modules if 'tcscope' in m), sys.path)"
    )
    code = f"import runpy, sys; sys.argv = ['runner', '--help']; runpy.run_path({str(RUNNER)!r}, run_name='__main__')"
    done = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert "pandas" not in done.stdout


def test_shapes() -> None:
    assert parse_shapes("") == {}
    assert parse_shapes("x:1x3x224x224,mask:1X8") == {"x": (1, 3, 224, 224), "mask": (1, 8)}
    assert parse_shapes("serving:input:0:4,'a,b':2,s:") == {"serving:input:0": (4,), "a,b": (2,), "s": ()}
    for wrong in ("x", "x:1xa", ":1", "x:-1x2", "x:1,x:2"):
        with pytest.raises(RunError):
            parse_shapes(wrong)


def test_every_type_is_packed_or_refused() -> None:
    assert packed("FLOAT", [1.5, -2]) == np.array([1.5, -2], "f4").tobytes()
    assert packed("HALF", [1.5, -2]) == np.array([1.5, -2], "f2").tobytes()
    assert packed("INT64", [3.0]) == np.array([3], "i8").tobytes()
    assert packed("BOOL", [0, 1]) == b"\0\1"
    assert struct.unpack("<f", b"\0\0" + packed("BF16", [1.5]))[0] == 1.5
    with pytest.raises(RunError, match="can't be written as FP8"):
        packed("FP8", [1])
    with pytest.raises(RunError, match="out of the range of INT8"):
        packed("INT8", [300])


@pytest.mark.parametrize("dtype", sorted(BITS))
def test_random_data_is_as_long_as_it_must_be_and_the_same_for_a_seed(dtype: str) -> None:
    for elements in (0, 1, 7, 200_001):
        data = random_bytes(dtype, elements, seeded(3))
        assert len(data) == size_of(dtype, elements) == math.ceil(elements * BITS[dtype] / 8)
        assert data == random_bytes(dtype, elements, seeded(3))
    if dtype != "E8M0":
        assert len(set(random_bytes(dtype, 4096, seeded(3)))) > 1


def test_random_floats_are_finite_and_indices_are_0_or_1() -> None:
    values = array("f", random_bytes("FLOAT", 100_000, seeded(0)))
    assert max(map(abs, values)) <= 1
    assert set(array("q", random_bytes("INT64", 1000, seeded(0)))) == {0, 1}


def test_names_of_types() -> None:
    class Named:
        name = "HALF"

    assert name_of(Named()) == "HALF"
    assert name_of("DataType.INT8") == "INT8"
    with pytest.raises(RunError, match="INT2"):
        name_of("DataType.INT2")


def test_an_npz_is_read_without_numpy(tmp_path: Path) -> None:
    x = np.arange(6, dtype="f2").reshape(2, 3)
    np.savez_compressed(tmp_path / "in.npz", x=x, ids=np.array([7], ">i4"), flag=np.array(True), b=x > 2)
    arrays = read_npz(str(tmp_path / "in.npz"))
    assert arrays["x"] == Array((2, 3), (0, 1, 2, 3, 4, 5))
    assert arrays["ids"] == Array((1,), (7,))
    assert arrays["flag"] == Array((), (True,))
    assert arrays["b"].values == (False, False, False, True, True, True)


def test_what_is_no_npz(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="can't read the inputs"):
        read_npz(str(tmp_path / "none.npz"))
    np.savez(tmp_path / "odd.npz", x=np.array(["text"]))
    with pytest.raises(RunError, match="can't read the array 'x'"):
        read_npz(str(tmp_path / "odd.npz"))
    np.savez(tmp_path / "order.npz", x=np.zeros((2, 3), order="F"))
    with pytest.raises(RunError, match="Fortran order"):
        read_npz(str(tmp_path / "order.npz"))


class Calls(Memory):
    """Memory that only remembers."""

    def __init__(self) -> None:
        self.sizes: list[int] = []
        self.data: dict[int, bytes] = {}

    def _allocate(self, size: int) -> int:
        self.sizes.append(size)
        return len(self.sizes)

    def _upload(self, address: int, data: bytes) -> None:
        self.data[address] = data


class Tensors:
    """An engine with a dynamic input x, a shape tensor and an output that follows x."""

    def __init__(self, *tensors: Tensor) -> None:
        self.tensors = tensors
        self.given: dict[str, Any] = {}
        self.bound: dict[str, int] = {}

    def optimum(self, tensor: Tensor) -> tuple[int, ...]:
        return (4, 2) if not tensor.on_host else (9,)

    def limits(self, tensor: Tensor) -> list[tuple[int, ...]]:
        return [(1, 2), (4, 2), (8, 2)]

    def give_shape(self, tensor: Tensor, shape: tuple[int, ...]) -> bool:
        self.given[tensor.name] = shape
        return shape[0] <= 8

    def give_values(self, tensor: Tensor, values: tuple[int, ...], address: int) -> bool:
        self.given[tensor.name] = (values, ctypes.string_at(address, 4))
        return True

    def shape_now(self, tensor: Tensor) -> tuple[int, ...]:
        if -1 not in tensor.shape:
            return tensor.shape
        return tuple(self.given[tensor.name if tensor.name in self.given else "x"])

    def most_bytes(self, tensor: Tensor) -> int:
        return -1

    def bind(self, tensor: Tensor, address: int) -> None:
        self.bound[tensor.name] = address


X = Tensor("x", "HALF", (-1, 2), True, False, 1, -1)
FIXED = Tensor("f", "FLOAT", (3,), True, False, 1, -1)
SIZES = Tensor("s", "INT32", (1,), True, True, 1, -1)
OUT = Tensor("y", "FLOAT", (-1, 2), False, False, 1, -1)


def test_shapes_are_given_or_those_the_engine_was_tuned_for(capsys: pytest.CaptureFixture[str]) -> None:
    tensors, memory = Tensors(X, OUT), Calls()
    connect(tensors, memory, Feed({}, {}, 0))
    assert tensors.given == {"x": (4, 2)}
    assert memory.sizes == [16, 32]
    assert tensors.bound == {"x": 1, "y": 2}
    assert capsys.readouterr().err == "note: x:4x2, for which the engine was tuned\n"
    connect(tensors, memory, Feed({"x": (1, 2)}, {}, 0))
    assert memory.sizes[2:] == [4, 8]


def test_arrays_give_shape_and_data() -> None:
    tensors, memory = Tensors(X, FIXED, OUT), Calls()
    connect(tensors, memory, Feed({}, {"x": Array((1, 2), (1, 2)), "f": Array((3,), (1, 2, 3))}, 0))
    assert memory.data[1] == packed("HALF", [1, 2])
    assert memory.data[2] == packed("FLOAT", [1, 2, 3])


def test_shape_tensors_take_values() -> None:
    tensors = Tensors(SIZES)
    connect(tensors, Calls(), Feed({"s": (5,)}, {}, 0))
    assert tensors.given == {"s": ((5,), packed("INT32", [5]))}


@pytest.mark.parametrize(
    ("feed", "error", "hint"),
    [
        (Feed({"z": (1,)}, {}, 0), "the engine has no input 'z'", "it has: x, f"),
        (Feed({"x": (9, 2)}, {}, 0), "the engine takes 'x' from 1x2 to 8x2, not 9x2", "--shapes x:4x2"),
        (Feed({"f": (4,)}, {}, 0), "the input 'f' is 3, not 4", "leave its shape out: it is fixed in the engine"),
        (
            Feed({"x": (2, 2)}, {"x": Array((1, 2), (0, 0))}, 0),
            "the array 'x' is 1x2, and the engine takes 2x2",
            "--shapes x:1x2",
        ),
    ],
)
def test_what_the_engine_does_not_take(feed: Feed, error: str, hint: str) -> None:
    with pytest.raises(RunError) as caught:
        connect(Tensors(X, FIXED, OUT), Calls(), feed)
    assert (caught.value.message, caught.value.hint) == (error, hint)


def test_vectorized_formats_are_padded() -> None:
    chw32 = Tensor("x", "INT8", (1, 3, 4, 4), True, False, 32, 1)
    assert padded(chw32, chw32.shape) == 32 * 16
    with pytest.raises(RunError, match="vectorized"):
        connect(Tensors(chw32), Calls(), Feed({}, {"x": Array((1, 3, 4, 4), (0,) * 48)}, 0))


def test_the_profile_is_as_trtexec_writes_it() -> None:
    rows = profile_rows({"conv": [1.0, 3.0, 2.0], "relu": [1.0, 1.0, 4.0]}, 3)
    assert rows[0] == {"count": 3}
    assert rows[1] == {"name": "conv", "timeMs": 6.0, "averageMs": 2.0, "medianMs": 2.0, "percentage": 50.0}
    assert rows[2]["medianMs"] == 1.0


class Runtime:
    def __init__(self, logger: Any) -> None:
        self.logger = logger

    def deserialize_cuda_engine(self, data: bytes) -> None:
        self.logger.said.append(data.decode())


class TensorRt:
    __version__ = "8.6.0"
    Runtime = Runtime


class Logger:
    def __init__(self) -> None:
        self.said: list[str] = []


@pytest.mark.parametrize(
    ("said", "error"),
    [
        ("1: [stdArchiveReader.cpp] Version tag does not match.", "with another TensorRT than 8.6.0"),
        ("6: not compatible with this version of TensorRT, expecting library version 8.5.2", "another TensorRT"),
        ("6: generated on an incompatible device, expecting compute 8.7 got compute 9.0", "for another GPU"),
        ("1: getPluginCreator could not find plugin EfficientNMS_TRT version 1", "needs a plugin that is not loaded"),
        ("3: something else", "can't be loaded by TensorRT 8.6.0"),
    ],
)
def test_why_a_plan_can_not_be_loaded(said: str, error: str, tmp_path: Path) -> None:
    (tmp_path / "m.plan").write_text(said)  # the stand-in says what the plan holds
    with pytest.raises(RunError, match=error) as caught:
        plan.load_engine(TensorRt, Logger(), str(tmp_path / "m.plan"))
    assert caught.value.code == BAD_PLAN


def test_a_machine_without_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    class Driver:
        def __init__(self, code: int) -> None:
            self.code = code

        def cuInit(self, flags: int) -> int:  # noqa: N802 - CUDA's name
            return self.code

        def cuDeviceGetCount(self, count: object) -> int:  # noqa: N802
            return 0

    monkeypatch.setattr(cuda, "_DRIVERS", ("libnosuch.so.1",))
    with pytest.raises(RunError, match="there is no NVIDIA driver here") as caught:
        cuda.driver()
    assert caught.value.code == NO_DEVICE
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    for code, said in ((100, r"finds no GPU \(cuInit says 100\)"), (0, "finds no GPU$")):
        driver = Driver(code)
        monkeypatch.setattr(ctypes, "CDLL", lambda name, driver=driver: driver)
        with pytest.raises(RunError, match=said):
            cuda.driver()
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    with pytest.raises(RunError) as caught:
        cuda.driver()
    assert caught.value.hint.startswith("unset CUDA_VISIBLE_DEVICES")


def test_complaints_go_to_who_started_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    error = RunError(BAD_PLAN, "no good", "another")
    monkeypatch.setenv(COMPLAINT, str(tmp_path / "said.json"))
    complain(error)
    assert json.loads((tmp_path / "said.json").read_text()) == {"error": "no good", "hint": "another"}
    assert capsys.readouterr().err == ""
    monkeypatch.setenv(COMPLAINT, str(tmp_path / "no" / "said.json"))
    complain(error)
    assert capsys.readouterr().err == "error: no good\n  hint: another\n"
    assert len(set(CODES)) == len(CODES)
