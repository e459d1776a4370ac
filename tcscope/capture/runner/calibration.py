"""The entropy calibrator of TensorRT 8 and 10, and what it is fed with."""

from __future__ import annotations

import os
import sys
from typing import Any, Iterator

from tcscope.capture.runner.dtypes import name_of
from tcscope.capture.runner.failure import RunError
from tcscope.capture.runner.memory import Memory
from tcscope.capture.runner.network import inputs_of
from tcscope.capture.runner.samples import Wanted, is_cache, npz_batches, random_batch
from tcscope.capture.runner.shapes import Shape

_RANDOM = (
    "warning: no --calib: calibrated with random numbers. The engine's answers mean nothing; "
    "which kernels run, and how long they take, holds"
)


def calibrator_for(
    trt: Any, memory: Memory, network: Any, shapes: dict[str, Shape], data: str | None, seed: int, cache: str | None
) -> Any:
    """A calibrator over `data`: an .npz, a calibration cache, or None for random numbers.

    What it measures is kept in the file `cache`, which trtexec's --calib takes too. Raises RunError.
    """
    inputs = [
        Wanted(tensor.name, name_of(tensor.dtype), shapes[tensor.name])
        for tensor in inputs_of(network)
        if not tensor.is_shape_tensor
    ]
    if data is None:
        print(_RANDOM, file=sys.stderr, flush=True)
        return calibrator_of(trt, memory, inputs, random_batch(inputs, seed))
    if is_cache(data):
        with open(data, "rb") as file:
            return calibrator_of(trt, memory, inputs, iter(()), known=file.read())
    return calibrator_of(trt, memory, inputs, npz_batches(data, inputs), cache=cache)


def calibrator_of(
    trt: Any,
    memory: Memory,
    inputs: list[Wanted],
    batches: Iterator[dict[str, bytes]],
    *,
    known: bytes | None = None,
    cache: str | None = None,
) -> Any:
    """An entropy calibrator that hands out these batches. What went wrong meanwhile stays in its `.failure`."""

    class Calibrator(trt.IInt8EntropyCalibrator2):  # type: ignore[misc] # TensorRT is another interpreter's
        def __init__(self) -> None:
            trt.IInt8EntropyCalibrator2.__init__(self)
            self.failure: RunError | None = None
            self.batches = 0
            self._places: dict[str, int] = {}

        def get_batch_size(self) -> int:
            return inputs[0].shape[0] if inputs and inputs[0].shape else 1

        def get_batch(self, names: list[str]) -> list[int] | None:
            """The addresses of the next batch, in the order of the names; None after the last.

            An exception would be lost in TensorRT: it is kept, and raised when the build is over.
            """
            try:
                batch = next(batches, None)
                if batch is None:
                    return None
                for name, data in batch.items():
                    if name not in self._places:
                        self._places[name] = memory.allocate(len(data))
                    memory.upload(self._places[name], data)
                self.batches += 1
                return [self._places[name] for name in names]
            except RunError as failure:
                self.failure = failure
                return None

        def read_calibration_cache(self) -> bytes | None:
            return known

        def write_calibration_cache(self, content: Any) -> None:
            if cache is None:
                return
            try:
                with open(cache, "wb") as file:
                    file.write(bytes(content))
            except OSError as error:
                print(f"note: can't write {os.path.basename(cache)}: {error.strerror}", file=sys.stderr)

    return Calibrator()
