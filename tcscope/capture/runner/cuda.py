"""CUDA by ctypes: is there a GPU, streams, the profiler's start and stop, graphs.

Either the runtime (libcudart) or, where there is none, the driver (libcuda), whose calls have the same shape.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import glob
import os
import sys
from typing import Any, Iterator

from tcscope.capture.runner.failure import FAILED, NO_DEVICE, RunError

_DRIVERS = ("nvcuda.dll",) if sys.platform == "win32" else ("libcuda.so.1", "libcuda.so")
_NON_BLOCKING = 1
_RELAXED = 2  # cudaStreamCaptureModeRelaxed: TensorRT may allocate while it is captured
_TO_DEVICE = 1
_RUNTIME = {
    "allocate": "cudaMalloc",
    "copy": "cudaMemcpy",
    "stream": "cudaStreamCreateWithFlags",
    "wait": "cudaStreamSynchronize",
    "start": "cudaProfilerStart",
    "stop": "cudaProfilerStop",
    "begin": "cudaStreamBeginCapture",
    "end": "cudaStreamEndCapture",
    "instantiate": "cudaGraphInstantiateWithFlags",
    "launch": "cudaGraphLaunch",
}
_DRIVER = {
    "allocate": "cuMemAlloc_v2",
    "copy": "cuMemcpyHtoD_v2",
    "stream": "cuStreamCreate",
    "wait": "cuStreamSynchronize",
    "start": "cuProfilerStart",
    "stop": "cuProfilerStop",
    "begin": "cuStreamBeginCapture_v2",
    "end": "cuStreamEndCapture",
    "instantiate": "cuGraphInstantiateWithFlags",
    "launch": "cuGraphLaunch",
}


def driver() -> Any:
    """The driver's library, initialised. Raises RunError where there is no driver or no GPU.

    Without this look TensorRT's own library crashes on a machine without a GPU.
    """
    for name in _DRIVERS:
        try:
            library = ctypes.CDLL(name)
            break
        except OSError:
            continue
    else:
        raise RunError(NO_DEVICE, "there is no NVIDIA driver here (libcuda.so.1)", "run it where the GPU is")
    code, devices = library.cuInit(0), ctypes.c_int(0)
    if code == 0:
        code = library.cuDeviceGetCount(ctypes.byref(devices))
    if code != 0 or devices.value == 0:
        visible = os.environ.get("CUDA_VISIBLE_DEVICES")
        why = "" if code == 0 else f" (cuInit says {code})"
        hint = f"unset CUDA_VISIBLE_DEVICES  # it is '{visible}'" if visible is not None else "nvidia-smi"
        raise RunError(NO_DEVICE, "the NVIDIA driver finds no GPU" + why, hint)
    return library


class Cuda:
    """The few calls of CUDA that running an engine takes."""

    def __init__(self) -> None:
        self._driver = driver()
        runtime = _runtime()
        self.name = "libcudart" if runtime else "libcuda"
        self._library, self._names = (runtime, _RUNTIME) if runtime else (self._driver, _DRIVER)
        if not runtime:
            context = ctypes.c_void_p()
            self._checked("cuDevicePrimaryCtxRetain", self._driver.cuDevicePrimaryCtxRetain(ctypes.byref(context), 0))
            self._checked("cuCtxSetCurrent", self._driver.cuCtxSetCurrent(context))

    def allocate(self, size: int) -> int:
        """The address of `size` bytes of device memory."""
        address = ctypes.c_void_p()
        self._call("allocate", ctypes.byref(address), ctypes.c_size_t(size))
        return int(address.value or 0)

    def upload(self, address: int, data: bytes) -> None:
        """Copy bytes to the device."""
        kind = [ctypes.c_int(_TO_DEVICE)] if self._names is _RUNTIME else []
        self._call("copy", ctypes.c_void_p(address), ctypes.c_char_p(data), ctypes.c_size_t(len(data)), *kind)

    def stream(self) -> int:
        """A new stream's handle."""
        made = ctypes.c_void_p()
        self._call("stream", ctypes.byref(made), ctypes.c_uint(_NON_BLOCKING))
        return int(made.value or 0)

    def wait(self, stream: int) -> None:
        """Wait until all work of a stream is done."""
        self._call("wait", ctypes.c_void_p(stream))

    def start(self) -> None:
        """Begin the part that nsys records."""
        self._call("start")

    def stop(self) -> None:
        """End it."""
        self._call("stop")

    def begin(self, stream: int) -> None:
        """Record what a stream is given into a graph instead of running it."""
        self._call("begin", ctypes.c_void_p(stream), ctypes.c_int(_RELAXED))

    def end(self, stream: int) -> int:
        """The graph that was recorded, ready to be launched."""
        graph, made = ctypes.c_void_p(), ctypes.c_void_p()
        self._call("end", ctypes.c_void_p(stream), ctypes.byref(graph))
        self._call("instantiate", ctypes.byref(made), graph, ctypes.c_ulonglong(0))
        return int(made.value or 0)

    def launch(self, graph: int, stream: int) -> None:
        """Run a graph."""
        self._call("launch", ctypes.c_void_p(graph), ctypes.c_void_p(stream))

    def _call(self, what: str, *arguments: Any) -> None:
        name = self._names[what]
        self._checked(name, getattr(self._library, name)(*arguments))

    def _checked(self, name: str, code: int) -> None:
        if code != 0:
            raise RunError(FAILED, f"{name} failed: {self._words(code)}")

    def _words(self, code: int) -> str:
        if self._names is _RUNTIME:
            self._library.cudaGetErrorString.restype = ctypes.c_char_p
            said = self._library.cudaGetErrorString(code)
        else:
            text = ctypes.c_char_p()
            said = text.value if self._driver.cuGetErrorString(code, ctypes.byref(text)) == 0 else None
        return "{} (error {})".format(said.decode() if said else "unknown", code)


def _runtime() -> Any:
    """The CUDA runtime's library, or None."""
    for name in _runtime_names():
        try:
            return ctypes.CDLL(name)
        except OSError:
            continue
    return None


def _runtime_names() -> Iterator[str]:
    for version in ("", ".13", ".12", ".11.0", ".10.2"):
        yield "libcudart.so" + version
    for path in sys.path:  # the wheels nvidia-cuda-runtime-cu*
        for pattern in ("nvidia/cuda_runtime/lib/libcudart.so*", "nvidia/cu*/lib/libcudart.so*"):
            yield from sorted(glob.glob(os.path.join(glob.escape(path), pattern)), reverse=True)
    yield from sorted(glob.glob("/usr/local/cuda*/lib64/libcudart.so*"), reverse=True)
    found = ctypes.util.find_library("cudart")  # asks ldconfig and compilers: last
    if found:
        yield found
