"""Tensors of a layer file: the type and the layout out of a format's description.

The descriptions are those of `ICudaEngine::getTensorFormatDesc`: `Thirty-two wide channel vectorized row major Int8
format` is INT8 in CHW32, `Channel major FP16 format where channel % 8 == 0` FP16 in HWC8. TensorRT 10 also writes bare
types (`Half`) and `N/A due to dynamic shapes`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from tcscope.model import Dtype, Tensor

_TYPES = {
    "fp64": Dtype.FP64,
    "double": Dtype.FP64,
    "fp32": Dtype.FP32,
    "float32": Dtype.FP32,
    "float": Dtype.FP32,
    "tf32": Dtype.FP32,
    "bf16": Dtype.BF16,
    "bfloat16": Dtype.BF16,
    "fp16": Dtype.FP16,
    "float16": Dtype.FP16,
    "half": Dtype.FP16,
    "fp8": Dtype.FP8,
    "e4m3": Dtype.FP8,
    "fp4": Dtype.FP4,
    "e2m1": Dtype.FP4,
    "int64": Dtype.INT64,
    "int32": Dtype.INT32,
    "int16": Dtype.INT16,
    "int8": Dtype.INT8,
    "uint8": Dtype.UINT8,
    "int4": Dtype.INT4,
    "bool": Dtype.BOOL,
}
_WORD = re.compile(r"[a-z]+\d*(?:m\d)?")
_WIDTHS = {"two": 2, "four": 4, "eight": 8, "sixteen": 16, "thirty-two": 32}
_VECTORIZED = re.compile(r"\b(two|four|eight|sixteen|thirty-two|\d+) wide channel vectorized")
_CHANNELS = re.compile(r"\b(?:channel|c) % (\d+) == 0")
_CODE = re.compile(r"k?(linear|c(?:d)?hw\d*|d?hwc\d*|dla_\w+)", re.IGNORECASE)


def tensor(entry: Mapping[str, Any]) -> Tensor:
    """A tensor of a layer file, its keys in lower case; what the file doesn't say stays open."""
    text = str(entry.get("format/datatype") or entry.get("format") or "")
    kind = str(entry.get("datatype") or text)
    dims = entry.get("dimensions")
    return Tensor(
        name=str(entry.get("name", "")),
        dtype=dtype_of(kind) or dtype_of(text),
        layout=layout_of(text),
        dims=tuple(d for d in dims if isinstance(d, int)) if isinstance(dims, list) else (),
    )


def dtype_of(text: str) -> Dtype | None:
    """The element type that a description names, if it names one."""
    return next((_TYPES[word] for word in _WORD.findall(text.lower()) if word in _TYPES), None)


def layout_of(text: str) -> str:
    """The layout in short (`linear`, `CHW32`, `HWC8`, ...); nothing where the description has none.

    A description of an unknown kind is its own layout, without its type.
    """
    low = text.lower().strip().rstrip(".")
    code = _CODE.fullmatch(low)
    if code:
        return "linear" if code[1] == "linear" else code[1].upper()
    deep = "3 spatial dimensions" in low
    vectorized = _VECTORIZED.search(low)
    if vectorized:
        width = _WIDTHS.get(vectorized[1], vectorized[1])
        return f"C{'D' if deep else ''}HW{width}"
    if "column stride" in low:  # the two layouts of the Deep Learning Accelerator
        return "DLA_HWC4" if "channel major" in low else "DLA_LINEAR"
    if "channel major" in low:
        channels = _CHANNELS.search(low)
        return f"{'D' if deep else ''}HWC{channels[1] if channels else ''}"
    if "row major" in low:
        return "linear"
    rest = [word for word in low.split() if word not in _TYPES and word != "format"]
    return "" if low.startswith(("n/a", "unknown")) else " ".join(rest)
