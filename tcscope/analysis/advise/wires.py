"""Who feeds whom in an engine, with reformats looked through: where a choice of types puts a reformat."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise

from tcscope.analysis.ledger.entries import is_reformat
from tcscope.model import Dtype, Layer, Op, Report, Tensor

_NO_WORK = "NoOp"
BYTES = {Dtype.FP32: 4, Dtype.FP16: 2, Dtype.BF16: 2, Dtype.INT8: 1, Dtype.FP8: 1}


@dataclass(frozen=True, slots=True)
class Wire:
    """A tensor: the layer that computes it (empty: the network's input), those that read it as `dtype`, its elements.

    `moved` are the reformat layers on the way from the writer to these readers. `elements` is None where not known.
    """

    writer: str
    readers: tuple[str, ...]
    dtype: Dtype | None
    elements: int | None
    moved: tuple[str, ...] = ()


def has_tensors(report: Report) -> bool:
    """Whether the layers that compute say what they read and write."""
    ran = [layer for layer in report.layers if layer.ns and not is_reformat(layer)]
    return bool(ran) and all(layer.inputs and layer.outputs for layer in ran)


def wires(report: Report) -> list[Wire]:
    """Every tensor that a layer computes or the network reads, once for each type in which it is read.

    Without tensors each layer is taken to feed the one that runs after it.
    """
    return list(_by_tensor(report) if has_tensors(report) else _by_order(report))


def sizes(report: Report) -> dict[str, int]:
    """The bytes that each reformat layer reads and writes, where types and dimensions are known."""
    found: dict[str, int] = {}
    for layer in report.layers:
        if is_reformat(layer) and layer.inputs and layer.outputs:
            moved = [_bytes(tensor) for tensor in (layer.inputs[0], layer.outputs[0])]
            if all(moved):
                found[layer.name] = sum(moved)
    return found


def _bytes(tensor: Tensor) -> int:
    return math.prod(tensor.dims) * BYTES.get(tensor.dtype, 0) if tensor.dims and tensor.dtype else 0


def _by_order(report: Report) -> Iterator[Wire]:
    """Layers without work don't count, nor do the copies between."""
    ran = [layer for layer in report.layers if layer.ns and not is_reformat(layer) and layer.op is not Op.COPY]
    for writer, reader in pairwise(ran):
        yield Wire(writer.name, (reader.name,), None, None)


def _by_tensor(report: Report) -> Iterator[Wire]:
    readers: dict[str, list[Layer]] = defaultdict(list)
    for layer in report.layers:
        for tensor in layer.inputs:
            readers[tensor.name].append(layer)
    written = {tensor.name for layer in report.layers for tensor in layer.outputs}
    for layer in report.layers:
        if not _is_passed(layer):
            for tensor in layer.outputs:
                yield from _followed(layer.name, tensor, readers)
    inputs = {t.name: t for layer in report.layers for t in layer.inputs if t.name not in written}
    for tensor in inputs.values():
        if "constant" not in tensor.name.lower():
            yield from _followed("", tensor, readers)


def _is_passed(layer: Layer) -> bool:
    return layer.type == _NO_WORK or is_reformat(layer)


def _followed(writer: str, tensor: Tensor, readers: Mapping[str, list[Layer]]) -> Iterator[Wire]:
    """The tensor as it is read behind each reformat, those of one type and way together."""
    ends: dict[tuple[Dtype | None, tuple[str, ...]], list[str]] = {}
    waiting: list[tuple[Tensor, tuple[str, ...]]] = [(tensor, ())]
    seen = {tensor.name}
    while waiting:
        at, moved = waiting.pop()
        for layer in readers[at.name]:
            if not _is_passed(layer):
                ends.setdefault((at.dtype, moved), []).append(layer.name)
                continue
            way = (*moved, layer.name) if layer.ns else moved
            for made in layer.outputs:
                if made.name not in seen:
                    seen.add(made.name)
                    waiting.append((made, way))
    elements = math.prod(tensor.dims) if tensor.dims else None
    for (dtype, moved), names in ends.items():
        yield Wire(writer, tuple(dict.fromkeys(names)), dtype, elements, moved)
