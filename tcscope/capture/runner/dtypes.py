"""TensorRT's element types: their size, and how numbers are written as them."""

from __future__ import annotations

import struct
from array import array
from typing import Any, Sequence

from tcscope.capture.runner.failure import FAILED, RunError

BITS = {
    "FLOAT": 32,
    "INT32": 32,
    "INT64": 64,
    "HALF": 16,
    "BF16": 16,
    "INT8": 8,
    "UINT8": 8,
    "BOOL": 8,
    "FP8": 8,
    "E8M0": 8,
    "INT4": 4,
    "FP4": 4,
}
# how struct writes the types that it knows
_CODES = {"FLOAT": "f", "HALF": "e", "INT8": "b", "UINT8": "B", "INT32": "i", "INT64": "q", "BOOL": "?"}
WHOLE = ("INT8", "UINT8", "INT32", "INT64", "BOOL")


def name_of(dtype: Any) -> str:
    """`HALF` for trt.DataType.HALF."""
    name = str(getattr(dtype, "name", dtype)).rpartition(".")[2].upper()
    if name not in BITS:
        raise RunError(FAILED, f"tcscope doesn't know the element type {name} of this TensorRT")
    return name


def size_of(name: str, elements: int) -> int:
    """Bytes that so many elements take."""
    return (elements * BITS[name] + 7) // 8


def packed(name: str, values: Sequence[float]) -> bytes:
    """Numbers as elements of a type. Raises RunError for the types of 8 bits and less that no number is written as."""
    if name == "BF16":  # the upper half of a float
        words = array("H", struct.pack(f"={len(values)}f", *values))
        return words[1::2].tobytes()
    if name not in _CODES:
        raise RunError(FAILED, f"numbers can't be written as {name}", "leave the input out: it is filled at random")
    numbers = [int(value) for value in values] if name in WHOLE else values
    try:
        return struct.pack(f"={len(values)}{_CODES[name]}", *numbers)
    except (struct.error, OverflowError) as error:
        raise RunError(FAILED, f"a value is out of the range of {name}: {error}") from error
