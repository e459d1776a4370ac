"""Which nodes of the ONNX graph a layer came from."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_ONNX = re.compile(r"\[ONNX Layer: (.*?)\](?=[\x1e\x1f\s]*(?:\[ONNX Layer: |$))", re.DOTALL)
_MADE = re.compile(r"^Reformatting CopyNode for |^\{ForeignNode\[|^__my|^PWN\(__")
_POINTWISE = re.compile(r"PWN\((.*)\)", re.DOTALL)


def nodes_of(entry: Mapping[str, Any], name: str) -> tuple[str, ...]:
    """The ONNX nodes in a layer's metadata (TensorRT 8.6 and later) or, without any metadata, in its fused name.

    Layers that TensorRT made by itself have none.
    """
    metadata = entry.get("metadata")
    if isinstance(metadata, str):
        return tuple(dict.fromkeys(_ONNX.findall(metadata)))
    return () if _MADE.match(name) else tuple(dict.fromkeys(_parts(name)))


def _parts(name: str) -> list[str]:
    """`Conv_0 + Relu_1`, `a || b` (run side by side) and `PWN(a, b)` (fused point by point) taken apart."""
    pointwise = _POINTWISE.fullmatch(name)
    if pointwise:
        return [node for part in pointwise[1].split(", ") for node in _parts(part)]
    for joint in (" + ", " || "):
        if joint in name:
            return [node for part in name.split(joint) for node in _parts(part)]
    return [name] if name else []
