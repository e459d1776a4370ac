"""What the network is fed: the arrays of .npz and .npy files, or random numbers from a seed."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from onnx import TensorProto, helper

from tcscope.errors import UsageError, did_you_mean
from tcscope.sensitivity.int8 import Array
from tcscope.sensitivity.network import Network

Shapes = Mapping[str, Sequence[int]]


@dataclass(frozen=True)
class Wanted:
    """What an input takes; a dimension that is open is None."""

    name: str
    dtype: np.dtype[Any]
    dims: tuple[int | None, ...]

    def shown(self, dims: Sequence[int | None] | None = None) -> str:
        """`3x224x?`, or `a scalar`."""
        return "x".join("?" if n is None else str(n) for n in (self.dims if dims is None else dims)) or "a scalar"


@dataclass(frozen=True)
class Samples:
    """Arrays by name whose first axis counts the samples; `extra` are those that only the user's metric reads.

    `fixed` is the size of the batch where the network has one.
    """

    said: str
    arrays: dict[str, Array]
    fixed: int | None
    extra: dict[str, Array] = field(default_factory=dict)

    @property
    def count(self) -> int:
        """How many samples there are."""
        return len(next(iter(self.arrays.values())))

    @property
    def digest(self) -> str:
        """The SHA-256 of what the arrays hold."""
        made = hashlib.sha256()
        for name, array in sorted((self.arrays | self.extra).items()):
            made.update(f"{name} {array.dtype} {array.shape}".encode())
            made.update(np.ascontiguousarray(array).data)
        return made.hexdigest()

    def batches(self, size: int) -> Iterator[dict[str, Array]]:
        """The samples, `size` at a time."""
        for start in range(0, self.count, size):
            yield {name: array[start : start + size] for name, array in self.arrays.items()}


def wanted_of(network: Network, shapes: Shapes) -> list[Wanted]:
    """What each input takes, its open dimensions filled from `shapes`. Raises UsageError."""
    found = []
    for value in network.inputs:
        kind = value.type.tensor_type
        if not value.type.HasField("tensor_type"):
            raise UsageError(f"the input '{value.name}' of {network.path} is no tensor", "give a network of tensors")
        dims = tuple(d.dim_value if d.HasField("dim_value") and d.dim_value > 0 else None for d in kind.shape.dim)
        given = shapes.get(value.name)
        if given is not None:
            dims = _filled(network, value.name, dims, given)
        found.append(Wanted(value.name, _type_of(network, value.name, kind.elem_type), dims))
    names = [wanted.name for wanted in found]
    for name in shapes:
        if name not in names:
            what = f"the network has no input '{name}'{did_you_mean(name, names)}"
            raise UsageError(what, f"--shapes {names[0]}:1x3x224x224  # it has: {', '.join(names)}")
    if not found:
        raise UsageError(f"{network.path} has no inputs", "give a network that computes something of its input")
    return found


def _type_of(network: Network, name: str, number: int) -> np.dtype[Any]:
    """NumPy's type of an ONNX element type. Raises UsageError where there is none that holds numbers."""
    known = number != TensorProto.UNDEFINED and number in TensorProto.DataType.values()
    dtype = np.dtype(helper.tensor_dtype_to_np_dtype(number)) if known else None
    if dtype is None or dtype.kind not in "fiub":
        word = TensorProto.DataType.Name(number) if dtype is not None else f"type {number}"
        what = f"the input '{name}' of {network.path} is {word}, and only numbers of NumPy's own types can be fed"
        raise UsageError(what, "give a network of FP32, FP16, FP64, integer and bool inputs")
    return dtype


def _filled(network: Network, name: str, dims: tuple[int | None, ...], given: Sequence[int]) -> tuple[int | None, ...]:
    if len(given) != len(dims) or any(have not in (None, n) for have, n in zip(dims, given, strict=True)):
        have = "x".join("?" if n is None else str(n) for n in dims)
        what = f"--shapes {name}:{'x'.join(map(str, given))} doesn't fit: the input is {have} in {network.path}"
        raise UsageError(what, "only an open dimension (?) can be given a size")
    return tuple(given)


def random_samples(network: Network, shapes: Shapes, number: int, seed: int) -> Samples:
    """Numbers of a standard normal distribution; of integer inputs 0 and 1. Raises UsageError."""
    generator = np.random.default_rng(seed)
    arrays = {}
    inputs = wanted_of(network, shapes)
    fixed = _fixed(network, inputs)
    if fixed is not None:
        number = math.ceil(number / fixed) * fixed
    for wanted in inputs:
        rest = wanted.dims[1:]
        if None in rest:
            shown = "x".join("1" if at == 0 else "224" if n is None else str(n) for at, n in enumerate(wanted.dims))
            what = f"the input '{wanted.name}' is {wanted.shown()}: random data need its sizes"
            raise UsageError(what, f"--shapes {wanted.name}:{shown}")
        shape = (number, *(n for n in rest if n is not None))
        if wanted.dtype.kind == "f":
            arrays[wanted.name] = generator.standard_normal(shape).astype(wanted.dtype)
        else:
            arrays[wanted.name] = generator.integers(0, 2, shape).astype(wanted.dtype)
    return Samples(f"random numbers (seed {seed})", arrays, fixed)


def read_samples(network: Network, path: Path, shapes: Shapes, *, extra: bool, most: int | None, seed: int) -> Samples:
    """The samples in an .npz, an .npy or a folder of them; `most` of them, drawn by the seed. Raises UsageError.

    With `extra` arrays that are no input are kept for the user's metric, instead of refused.
    """
    from tcscope.sensitivity.files import arrays_of

    inputs = wanted_of(network, shapes)
    names = [wanted.name for wanted in inputs]
    found = arrays_of(path, names)
    for name in found:
        if name not in names and not extra:
            what = f"{path} has an array '{name}', and the network no such input{did_you_mean(name, names)}"
            raise UsageError(what, f"the network's inputs: {', '.join(names)}")
    arrays = {wanted.name: _checked(path, wanted, found) for wanted in inputs}
    beside = {name: array for name, array in found.items() if name not in names}
    counts = {name: len(array) for name, array in (arrays | beside).items() if array.ndim}
    if len(set(counts.values())) > 1:
        told = ", ".join(f"'{name}' {number}" for name, number in counts.items())
        raise UsageError(f"the arrays of {path} hold different numbers of samples: {told}", "give each as many")
    fixed = _fixed(network, inputs)
    number = next(iter(counts.values()))
    chosen = np.arange(number)
    if most is not None and most < number:
        chosen = np.sort(np.random.default_rng(seed).permutation(number)[:most])
    if fixed is not None:
        chosen = chosen[: len(chosen) // fixed * fixed]
    if not len(chosen):
        what = f"{path} has {number} samples, and a batch of {network.path} takes {fixed or 1}"
        raise UsageError(what, "give more samples")
    taken = {name: array if len(chosen) == number else array[chosen] for name, array in arrays.items()}
    return Samples(path.name, taken, fixed, {n: a[chosen] if a.ndim else a for n, a in beside.items()})


def _fixed(network: Network, inputs: Sequence[Wanted]) -> int | None:
    """The size of the network's batch, None where it is open. Raises UsageError where inputs differ."""
    sizes = {wanted.dims[0] if wanted.dims else 1 for wanted in inputs} - {None}
    if len(sizes) > 1:
        told = ", ".join(f"'{wanted.name}' {wanted.shown()}" for wanted in inputs)
        what = f"the inputs of {network.path} begin with different sizes: {told}"
        raise UsageError(what, "the first axis of each input must count the samples of a batch")
    return sizes.pop() if sizes else None


def _checked(path: Path, wanted: Wanted, found: Mapping[str, Array]) -> Array:
    """The array of an input in its type. Raises UsageError where it doesn't fit, or holds what is no number."""
    if wanted.name not in found:
        hint = f"numpy.savez('calib.npz', **{{'{wanted.name}': samples}})  # each {wanted.shown(wanted.dims[1:])}"
        raise UsageError(f"{path} has no array for the input '{wanted.name}'", hint)
    array = found[wanted.name]
    fits = array.ndim == len(wanted.dims) and all(
        want is None or want == have for want, have in zip(wanted.dims[1:], array.shape[1:], strict=True)
    )
    if not fits:
        one = wanted.shown(array.shape[1:]) if array.ndim else "no array"
        what = (
            f"each sample of '{wanted.name}' is {one} in {path}, and the network takes {wanted.shown(wanted.dims[1:])}"
        )
        raise UsageError(what, "the first axis counts the samples")
    if not np.can_cast(array.dtype, wanted.dtype, "same_kind"):
        what = f"'{wanted.name}' is {array.dtype} in {path}, and the network takes {wanted.dtype}"
        raise UsageError(what, f"samples.astype('{wanted.dtype}')  # if that is what is meant")
    with np.errstate(over="ignore"):  # what is too large becomes infinite, and is told below
        array = array.astype(wanted.dtype, copy=False)
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        first = np.argwhere(~np.isfinite(array))[0]
        what = f"sample {first[0]} of '{wanted.name}' in {path} holds {array[tuple(first)]}"
        raise UsageError(what, "take out what is NaN or infinite: numpy.isfinite(samples)")
    return array
