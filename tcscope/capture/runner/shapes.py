"""`--shapes name:1x3x224x224,other:8`, as trtexec writes them."""

from __future__ import annotations

from typing import Tuple

from tcscope.capture.runner.failure import USAGE, RunError

Shape = Tuple[int, ...]
_EXAMPLE = "--shapes input:1x3x224x224,mask:1x128"


def parse_shapes(text: str) -> dict[str, Shape]:
    """Shapes by tensor; a name may hold colons and, between apostrophes, commas. Raises RunError."""
    shapes: dict[str, Shape] = {}
    for part in _parts(text):
        name, colon, extents = part.rpartition(":")
        name = name.strip().strip("'")
        try:
            shape = tuple(int(extent) for extent in extents.lower().split("x")) if extents.strip() else ()
        except ValueError:
            shape = (-1,)
        if not colon or not name or any(extent < 0 for extent in shape):
            raise RunError(USAGE, f"'{part}' is no shape", _EXAMPLE)
        if name in shapes:
            raise RunError(USAGE, f"two shapes for '{name}'", _EXAMPLE)
        shapes[name] = shape
    return shapes


def _parts(text: str) -> list[str]:
    parts, quoted = [""], False
    for letter in text:
        quoted ^= letter == "'"
        if letter == "," and not quoted:
            parts.append("")
        else:
            parts[-1] += letter
    return [part for part in parts if part.strip()]


def written(shape: Shape) -> str:
    """`1x3x224x224`."""
    return "x".join(str(extent) for extent in shape) or "scalar"
