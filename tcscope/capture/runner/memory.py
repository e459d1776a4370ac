"""Device memory through pycuda if it is there, else cuda-python, else CUDA by ctypes."""

from __future__ import annotations

import ctypes
from typing import Any

from tcscope.capture.runner.cuda import Cuda
from tcscope.capture.runner.failure import NO_MEMORY, RunError


class Memory:
    """Device memory that lives as long as this object."""

    name = ""

    def allocate(self, size: int) -> int:
        """The address of `size` bytes. Raises RunError where there are not as many."""
        try:
            return self._allocate(max(size, 1))
        except Exception as error:
            raise RunError(
                NO_MEMORY,
                f"no {size:,} bytes of GPU memory: {error}",
                "give smaller --shapes, or end what else uses the GPU",
            ) from error

    def upload(self, address: int, data: bytes) -> None:
        """Copy bytes to the device."""
        self._upload(address, data)

    def _allocate(self, size: int) -> int:
        raise NotImplementedError

    def _upload(self, address: int, data: bytes) -> None:
        raise NotImplementedError


class PyCuda(Memory):
    """Memory by pycuda, in the primary context, which TensorRT uses as well."""

    name = "pycuda"

    def __init__(self) -> None:
        import pycuda.driver as driver  # type: ignore[import-not-found, unused-ignore]

        driver.init()
        self._driver: Any = driver
        self._context = driver.Device(0).retain_primary_context()
        self._context.push()
        self._kept: list[Any] = []

    def _allocate(self, size: int) -> int:
        self._kept.append(self._driver.mem_alloc(size))
        return int(self._kept[-1])

    def _upload(self, address: int, data: bytes) -> None:
        self._driver.memcpy_htod(address, data)


class CudaPython(Memory):
    """Memory by NVIDIA's cuda-python, under its newer or its older name."""

    name = "cuda-python"

    def __init__(self) -> None:
        try:
            from cuda.bindings import runtime  # type: ignore[import-not-found, unused-ignore]
        except ImportError:
            from cuda import cudart as runtime  # type: ignore[import-not-found, no-redef, unused-ignore]
        self._runtime: Any = runtime

    def _allocate(self, size: int) -> int:
        code, address = self._runtime.cudaMalloc(size)
        if int(code) != 0:
            raise MemoryError(str(code))
        return int(address)

    def _upload(self, address: int, data: bytes) -> None:
        source = ctypes.cast(ctypes.c_char_p(data), ctypes.c_void_p).value
        kind = self._runtime.cudaMemcpyKind.cudaMemcpyHostToDevice
        (code,) = self._runtime.cudaMemcpy(address, source, len(data), kind)
        if int(code) != 0:
            raise MemoryError(str(code))


class ByCtypes(Memory):
    """Memory by the CUDA library itself."""

    def __init__(self, cuda: Cuda) -> None:
        self.name = cuda.name
        self._cuda = cuda

    def _allocate(self, size: int) -> int:
        return self._cuda.allocate(size)

    def _upload(self, address: int, data: bytes) -> None:
        self._cuda.upload(address, data)


def open_memory(cuda: Cuda) -> Memory:
    """The first that is installed and works."""
    for kind in (PyCuda, CudaPython):
        try:
            return kind()
        except Exception:  # noqa: S112 - missing, or built for another CUDA: the next one will do
            continue
    return ByCtypes(cuda)
