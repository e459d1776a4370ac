"""What is quantized at a time: a layer, or a block of layers."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from tcscope.errors import UsageError
from tcscope.sensitivity.quantizable import Quantizable


@dataclass(frozen=True)
class Unit:
    """Layers that change together, and the name of the whole."""

    name: str
    op: str
    layers: tuple[str, ...]


def units_of(layers: Sequence[Quantizable], block: str | None) -> tuple[Unit, ...]:
    """Each layer by itself or, of `4` or a regular expression, blocks. Raises UsageError.

    Of a number, so many layers in a row; of an expression, those in which it finds the same text (its first group, if
    it has one); a layer in which it finds nothing stays by itself.
    """
    if block is None:
        return tuple(Unit(layer.name, layer.op, (layer.name,)) for layer in layers)
    if block.isdigit():
        size = int(block)
        if not size:
            raise UsageError("a block of 0 layers", "--block 4")
        return tuple(_unit(layers[at : at + size]) for at in range(0, len(layers), size))
    try:
        pattern = re.compile(block)
    except re.error as error:
        raise UsageError(f"--block {block} is no number and no regular expression: {error}", "--block 4") from error
    groups: dict[tuple[str, bool], list[Quantizable]] = {}
    for layer in layers:
        match = pattern.search(layer.name)
        key = (layer.name, False) if match is None else (match[1] if pattern.groups else match[0], True)
        groups.setdefault(key, []).append(layer)
    if not any(found for _, found in groups):
        raise UsageError(f"--block {block} finds no layer, such as {layers[0].name}", "--block 4")
    return tuple(_unit(found, word if by_word else "") for (word, by_word), found in groups.items())


def _unit(layers: Sequence[Quantizable], name: str = "") -> Unit:
    ops = dict.fromkeys(layer.op for layer in layers)
    first, last = layers[0].name, layers[-1].name
    return Unit(
        name or (first if len(layers) == 1 else f"{first} .. {last}"), "+".join(ops), tuple(one.name for one in layers)
    )
