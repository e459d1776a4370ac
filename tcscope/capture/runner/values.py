"""What an engine is fed with: arrays of an .npz, read without numpy, or random numbers from a seed."""

from __future__ import annotations

import ast
import random
import struct
import zipfile
from typing import IO, NamedTuple, Sequence

from tcscope.capture.runner.dtypes import packed, size_of
from tcscope.capture.runner.failure import USAGE, RunError

_BLOCK = 1 << 16  # so many random elements, repeated: enough that no kernel is fed with zeros
# numpy's type codes, and how struct reads them
_CODES = {"f2": "e", "f4": "f", "f8": "d", "i1": "b", "i2": "h", "i4": "i", "i8": "q", "u1": "B", "u2": "H", "u4": "I",
          "u8": "Q", "b1": "?"}  # fmt: skip


class Array(NamedTuple):
    """One array of an .npz."""

    shape: tuple[int, ...]
    values: Sequence[float]


class Header(NamedTuple):
    """How the elements of an array are written: numpy's type, struct's code for it, its size in bytes, its shape."""

    numpy: str
    order: str
    code: str
    size: int
    shape: tuple[int, ...]


def read_npz(path: str) -> dict[str, Array]:
    """The arrays of an .npz by name. Raises RunError where it is none, or holds what no engine takes."""
    try:
        with zipfile.ZipFile(path) as archive:
            files = {(file[:-4] if file.endswith(".npy") else file): file for file in archive.namelist()}
            return {name: _array(path, name, archive.open(file)) for name, file in files.items()}
    except (OSError, zipfile.BadZipFile) as error:
        raise RunError(USAGE, f"can't read the inputs of {path}: {error}", "numpy.savez(PATH, x=x)") from error


def read_header(path: str, name: str, stream: IO[bytes]) -> Header:
    """What stands before the elements of an array, from a stream that then stands at them. Raises RunError."""
    try:
        magic = stream.read(8)
        if magic[:6] != b"\x93NUMPY":
            raise ValueError("it is no array")
        length = struct.unpack("<I", stream.read(4)) if magic[6] >= 2 else struct.unpack("<H", stream.read(2))
        header = ast.literal_eval(stream.read(length[0]).decode("latin-1").strip())
        order, numpy = header["descr"][0], header["descr"][1:]
        shape = tuple(int(n) for n in header["shape"])
        if header["fortran_order"] and len(shape) > 1:
            raise ValueError("it is in Fortran order: numpy.ascontiguousarray(x)")
        return Header(numpy, order, _CODES[numpy], int(numpy[1:]), shape)
    except (KeyError, ValueError, TypeError, struct.error, SyntaxError, IndexError) as error:
        raise RunError(USAGE, f"can't read the array '{name}' of {path}: {error}") from error


def _array(path: str, name: str, stream: IO[bytes]) -> Array:
    with stream:
        header = read_header(path, name, stream)
        order = ">" if header.order == ">" else "<"
        try:
            values = struct.unpack_from(f"{order}{volume(header.shape)}{header.code}", stream.read())
        except struct.error as error:
            raise RunError(USAGE, f"can't read the array '{name}' of {path}: {error}") from error
    return Array(header.shape, values)


def volume(shape: Sequence[int]) -> int:
    """The number of elements of a shape."""
    elements = 1
    for extent in shape:
        elements *= extent
    return elements


def random_bytes(dtype: str, elements: int, generator: random.Random) -> bytes:
    """Elements of any type: numbers from -1 to 1, bytes from -128 to 127, and 0 or 1 for what may be an index."""
    needed = size_of(dtype, elements)
    count = min(elements, _BLOCK)
    if dtype in ("FLOAT", "HALF", "BF16"):
        block = packed(dtype, [generator.uniform(-1, 1) for _ in range(count)])
    elif dtype in ("INT32", "INT64", "BOOL"):
        block = packed(dtype, [generator.randint(0, 1) for _ in range(count)])
    elif dtype == "FP8":
        block = bytes(generator.randint(0x20, 0x38) for _ in range(count))  # 0.125 to 1: never NaN
    elif dtype == "E8M0":
        block = bytes([127]) * count  # the scale 1
    else:
        block = bytes(generator.randint(0, 255) for _ in range(count))
    return (block * (needed // max(len(block), 1) + 1))[:needed]
