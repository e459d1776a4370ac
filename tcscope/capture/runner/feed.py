"""Choosing the shapes of an engine's inputs, and giving every input and output its memory."""

from __future__ import annotations

import ctypes
import random
import sys
from typing import Any, NamedTuple

from tcscope.capture.runner.dtypes import packed, size_of
from tcscope.capture.runner.failure import USAGE, RunError
from tcscope.capture.runner.memory import Memory
from tcscope.capture.runner.shapes import Shape, written
from tcscope.capture.runner.tensors import Tensor
from tcscope.capture.runner.values import Array, random_bytes, volume

_HOST_BYTES = 1 << 16  # for a shape tensor that is an output


class Feed(NamedTuple):
    """What the user chose."""

    shapes: dict[str, Shape]
    arrays: dict[str, Array]
    seed: int


def connect(tensors: Any, memory: Memory, feed: Feed) -> list[Any]:
    """Give shapes, data and memory to all tensors; the host's buffers, to be kept. Raises RunError."""
    inputs = [tensor for tensor in tensors.tensors if tensor.is_input]
    _check_names(inputs, list(feed.shapes) + list(feed.arrays))
    kept: list[Any] = []
    for tensor in inputs:
        _choose(tensors, tensor, feed, kept)
    generator = random.Random(feed.seed)  # noqa: S311 - test data, not a secret
    for tensor in inputs:
        if not tensor.on_host:
            data = _data(tensor, tensors.shape_now(tensor), feed, generator)
            address = memory.allocate(len(data))
            memory.upload(address, data)
            tensors.bind(tensor, address)
    for tensor in tensors.tensors:
        if not tensor.is_input:
            _place(tensors, tensor, memory, kept)
    return kept


def _check_names(inputs: list[Tensor], given: list[str]) -> None:
    known = [tensor.name for tensor in inputs]
    for name in given:
        if name not in known:
            raise RunError(USAGE, f"the engine has no input '{name}'", "it has: " + ", ".join(known))


def _choose(tensors: Any, tensor: Tensor, feed: Feed, kept: list[Any]) -> None:
    """Fix the shape of an input; of a shape tensor the values, which `--shapes` writes in the same way."""
    chosen = feed.shapes.get(tensor.name)
    if chosen is None and tensor.name in feed.arrays:
        array = feed.arrays[tensor.name]
        chosen = tuple(int(value) for value in array.values) if tensor.on_host else array.shape
    if tensor.on_host:
        _choose_values(tensors, tensor, chosen, kept)
        return
    if -1 not in tensor.shape:
        if chosen is not None and chosen != tensor.shape:
            what = f"the input '{tensor.name}' is {written(tensor.shape)}, not {written(chosen)}"
            raise RunError(USAGE, what, "leave its shape out: it is fixed in the engine")
        return
    if chosen is None:
        chosen = tensors.optimum(tensor)
        print(f"note: {tensor.name}:{written(chosen)}, for which the engine was tuned", file=sys.stderr)
    if not tensors.give_shape(tensor, chosen):
        least, best, most = (written(shape) for shape in tensors.limits(tensor))
        what = f"the engine takes '{tensor.name}' from {least} to {most}, not {written(chosen)}"
        raise RunError(USAGE, what, f"--shapes {tensor.name}:{best}")


def _choose_values(tensors: Any, tensor: Tensor, chosen: Any, kept: list[Any]) -> None:
    values = chosen if chosen is not None else tensors.optimum(tensor)
    if values is None:
        raise RunError(USAGE, f"the input '{tensor.name}' holds sizes", f"--shapes {tensor.name}:4x8")
    kept.append(ctypes.create_string_buffer(packed(tensor.dtype, values)))
    if not tensors.give_values(tensor, tuple(values), ctypes.addressof(kept[-1])):
        raise RunError(USAGE, f"the engine doesn't take {written(values)} for '{tensor.name}'")


def _data(tensor: Tensor, shape: Shape, feed: Feed, generator: random.Random) -> bytes:
    array = feed.arrays.get(tensor.name)
    if array is None:
        return random_bytes(tensor.dtype, padded(tensor, shape), generator)
    if array.shape != shape:
        what = f"the array '{tensor.name}' is {written(array.shape)}, and the engine takes {written(shape)}"
        raise RunError(USAGE, what, f"--shapes {tensor.name}:{written(array.shape)}")
    if tensor.lanes > 1:
        raise RunError(
            USAGE,
            f"the input '{tensor.name}' is of a vectorized format, which arrays can't fill",
            "leave it out of the .npz: it is filled at random",
        )
    return packed(tensor.dtype, array.values)


def _place(tensors: Any, tensor: Tensor, memory: Memory, kept: list[Any]) -> None:
    shape = tensors.shape_now(tensor)
    if tensor.on_host:
        kept.append(ctypes.create_string_buffer(_HOST_BYTES))
        tensors.bind(tensor, ctypes.addressof(kept[-1]))
        return
    size = size_of(tensor.dtype, padded(tensor, shape)) if all(extent >= 0 for extent in shape) else -1
    size = max(size, tensors.most_bytes(tensor))
    if size < 0:
        raise RunError(USAGE, f"the size of the output '{tensor.name}' depends on the data", "--trtexec")
    tensors.bind(tensor, memory.allocate(size))


def padded(tensor: Tensor, shape: Shape) -> int:
    """The elements that a tensor takes, with the padding of its vectorized dimension."""
    if tensor.lanes > 1 and 0 <= tensor.vector_dim < len(shape):
        extents = list(shape)
        extents[tensor.vector_dim] = -(-extents[tensor.vector_dim] // tensor.lanes) * tensor.lanes
        return volume(extents)
    return volume(shape)
