"""Which layers can be INT8, and what of them is a weight or an activation."""

from __future__ import annotations

from dataclasses import dataclass

import onnx

from tcscope.sensitivity.network import Network

OPS = ("Conv", "ConvTranspose", "Gemm", "MatMul")
_FLOATS = (onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16, onnx.TensorProto.DOUBLE)


@dataclass(frozen=True)
class Quantizable:
    """A layer: its node's place, its weight if it has one, with the axis of output channels, and its activations."""

    name: str
    op: str
    at: int
    weight: str | None
    axis: int | None
    activations: tuple[str, ...]


def quantizable(network: Network) -> tuple[tuple[Quantizable, ...], tuple[str, ...]]:
    """The layers that TensorRT can run in INT8, and the names of those of the same kinds that it can't."""
    found, left = [], []
    for at, node in enumerate(network.nodes):
        if node.op_type not in OPS or node.domain not in ("", "ai.onnx"):
            continue
        layer = _layer(network, node, at)
        if layer is None:
            left.append(node.name)
        else:
            found.append(layer)
    return tuple(found), tuple(left)


def _layer(network: Network, node: onnx.NodeProto, at: int) -> Quantizable | None:
    constant = [name in network.constants for name in node.input[:2]]
    if all(constant):
        return None
    if node.op_type in ("Conv", "ConvTranspose"):  # TensorRT has no INT8 convolution whose weights are computed
        if not constant[1] or network.constants[node.input[1]].data_type not in _FLOATS:
            return None
        # TensorRT has no scales for each output channel of a ConvTranspose: its kernels take them for each input
        # channel, and versions differ in what they make of either (github.com/NVIDIA/TensorRT/issues/2380, 1694, 1519).
        # One scale for all is right in every one, also in a grouped one, where no axis is that of output channels.
        axis = 0 if node.op_type == "Conv" else None
        return Quantizable(node.name, node.op_type, at, node.input[1], axis, (node.input[0],))
    activations = tuple(dict.fromkeys(name for name, fixed in zip(node.input[:2], constant, strict=True) if not fixed))
    if len(activations) == 2 or not any(constant):
        return Quantizable(node.name, node.op_type, at, None, None, activations)
    side = constant.index(True)
    weight = network.constants[node.input[side]]
    if weight.data_type not in _FLOATS:
        return None
    return Quantizable(
        node.name, node.op_type, at, weight.name, _product_axis(node, side, len(weight.dims)), activations
    )


def _product_axis(node: onnx.NodeProto, side: int, rank: int) -> int | None:
    """The axis of a product's weight along which its output's last (or, on the left, last but one) axis runs."""
    if rank < 2:
        return None
    flipped = any(a.name == ("transB" if side else "transA") and a.i for a in node.attribute)
    last = bool(side) != flipped
    return rank - 1 if last else rank - 2
