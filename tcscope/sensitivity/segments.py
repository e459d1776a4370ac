"""The network cut before each quantizable layer: pieces that run on their own, in FP32 or with their layer in INT8.

What lies before a layer is computed once in FP32 and kept; when the layer is quantized only the pieces run again that
its error reaches.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import onnx
from onnx import helper, numpy_helper

from tcscope.sensitivity.int8 import rounded, weight_scales
from tcscope.sensitivity.network import Network, captured, part_of
from tcscope.sensitivity.quantizable import Quantizable

INT8_MARK = "__int8"  # the layer reads its activation under a name of its own: others in the piece read it in FP32


@dataclass(frozen=True)
class Segment:
    """Some nodes in a row; the first is the layer, if there is one. `reads` and `writes` cross its ends."""

    layer: Quantizable | None
    nodes: tuple[onnx.NodeProto, ...]
    reads: tuple[str, ...]
    writes: tuple[str, ...]


def cut(network: Network, layers: Sequence[Quantizable]) -> tuple[Segment, ...]:
    """The segments in order, one for each layer and, where nodes come before the first, one without."""
    nodes = network.nodes
    starts = [0, *(layer.at for layer in layers), len(nodes)]
    owners: list[Quantizable | None] = [None, *layers]
    parts = [(owner, nodes[a:b]) for owner, a, b in zip(owners, starts, starts[1:], strict=False) if b > a]
    read = [set().union(*(captured(node) for node in part)) - set(network.constants) for _, part in parts]
    outputs = set(network.outputs)
    made = []
    for at, (owner, part) in enumerate(parts):
        own = [name for node in part for name in node.output if name]
        later = outputs.union(*read[at + 1 :])
        reads = tuple(sorted(read[at] - set(own)))
        made.append(Segment(owner, tuple(part), reads, tuple(name for name in own if name in later)))
    return tuple(made)


def model_of(network: Network, segment: Segment, types: dict[str, int], *, int8: bool) -> onnx.ModelProto:
    """A segment as a model; with `int8` its layer's weight is rounded, and its activations are read with INT8_MARK."""
    nodes = list(segment.nodes)
    reads = list(segment.reads)
    layer = segment.layer
    used = set().union(*(captured(node) for node in nodes))
    constants = {name: network.constants[name] for name in sorted(used & set(network.constants))}
    if int8 and layer is not None:
        first = onnx.NodeProto()
        first.CopyFrom(nodes[0])
        for at, name in enumerate(first.input[:2]):
            if name in layer.activations or name == layer.weight:
                first.input[at] = name + INT8_MARK
        nodes[0] = first
        reads += [name + INT8_MARK for name in layer.activations]
        still = set().union(*(captured(node) for node in nodes))
        reads = [name for name in reads if name in still]
        if layer.weight is not None:
            constants[layer.weight + INT8_MARK] = rounded_weight(network, layer)
            constants = {name: tensor for name, tensor in constants.items() if name in still}
    graph = helper.make_graph(
        nodes,
        layer.name if layer is not None else "head",
        [helper.make_tensor_value_info(name, types[name.removesuffix(INT8_MARK)], None) for name in reads],
        [helper.make_empty_tensor_value_info(name) for name in segment.writes],
        list(constants.values()),
    )
    return part_of(network.model, graph)


def rounded_weight(network: Network, layer: Quantizable) -> onnx.TensorProto:
    """A layer's weight as INT8 holds it, per output channel."""
    weight = weight_of(network, layer)
    return numpy_helper.from_array(rounded(weight, weight_scales(weight, layer.axis)), f"{layer.weight}{INT8_MARK}")


def weight_of(network: Network, layer: Quantizable) -> np.ndarray:
    """A layer's weight as an array."""
    if layer.weight is None:
        raise ValueError(f"{layer.name} has no weight")
    return numpy_helper.to_array(network.constants[layer.weight])
