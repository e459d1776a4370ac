"""A Q/DQ ONNX file of a mix: QuantizeLinear and DequantizeLinear around every layer but those that stay in FP16.

It is what explicit quantization takes (TensorRT 8 and newer; TensorRT 11 knows no other INT8): weights in floating
point behind a pair of their own, per output channel; one pair for each activation, however many layers read it.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper, version_converter

from tcscope.errors import UsageError
from tcscope.sensitivity.bench import Bench
from tcscope.sensitivity.int8 import Array, scale_of, weight_scales
from tcscope.sensitivity.quantizable import Quantizable
from tcscope.sensitivity.segments import weight_of

PER_CHANNEL_OPSET = 13  # the first whose QuantizeLinear takes a scale for each channel
_QUANTIZED, _BACK = "_quantized", "_dequantized"


def quantized(bench: Bench, keep: Collection[str]) -> onnx.ModelProto:
    """The network with all its layers in INT8 but those of these names; checked. Raises UsageError."""
    model = _with_opset(bench)
    _fill_shapes(model, bench)
    layers = [layer for layer in bench.layers if layer.name not in keep]
    made = _Pairs(model)
    of_name = {node.name: node for node in model.graph.node}
    for layer in layers:
        node = of_name[layer.name]
        for at, name in enumerate(node.input[:2]):
            if name in layer.activations:
                node.input[at] = made.activation(name, scale_of(bench.clips[name]))
            elif name == layer.weight:
                node.input[at] = made.weight(bench, layer)
                _name_kernel_shape(node, weight_of(bench.network, layer))
    made.insert()
    try:
        onnx.checker.check_model(model, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        said = " ".join(str(error).split())[:120]
        raise UsageError(f"{bench.network.path} can't be quantized so: {said}", "give it with FP32 tensors") from error
    return model


def _fill_shapes(model: onnx.ModelProto, bench: Bench) -> None:
    """Give the outputs without a shape one of open sizes: ONNX Runtime does without it, the checker doesn't."""
    for value in model.graph.output:
        kind = value.type.tensor_type
        if not kind.HasField("shape"):
            constant = bench.network.constants.get(value.name)
            rank = bench.reference(0)[value.name].ndim if constant is None else len(constant.dims)
            kind.shape.SetInParent()
            kind.shape.dim.extend(onnx.TensorShapeProto.Dimension() for _ in range(rank))


def _name_kernel_shape(node: onnx.NodeProto, weight: Array) -> None:
    """Say the kernel's shape, optional in ONNX: TensorRT 8.6.0 cannot parse a computed weight without it."""
    convolves = node.op_type in ("Conv", "ConvTranspose")
    if convolves and not any(attribute.name == "kernel_shape" for attribute in node.attribute):
        node.attribute.append(helper.make_attribute("kernel_shape", weight.shape[2:]))


class _Pairs:
    """The pairs of Q and DQ of one graph, each before the first node that reads it."""

    def __init__(self, model: onnx.ModelProto) -> None:
        self.graph = model.graph
        self.made: dict[str, tuple[onnx.NodeProto, onnx.NodeProto]] = {}

    def activation(self, name: str, scale: float) -> str:
        """The tensor through INT8 and back."""
        return self._pair(name, name, np.array(scale, dtype=np.float32), None)

    def weight(self, bench: Bench, layer: Quantizable) -> str:
        """A layer's weight through INT8 and back. Two layers that share it may have another axis each."""
        weight = weight_of(bench.network, layer)
        if weight.dtype != np.float32:
            what = f"the weight of {layer.name} is {weight.dtype}: a Q/DQ network starts from FP32"
            raise UsageError(what, "give the network as it was before conversion to FP16")
        scales = weight_scales(weight, layer.axis).reshape(-1)
        scale = scales if layer.axis is not None else scales.reshape(())
        return self._pair(str(layer.weight), f"{layer.weight}_axis{layer.axis}", scale, layer.axis)

    def _pair(self, name: str, key: str, scale: Array, axis: int | None) -> str:
        if key not in self.made:
            zero = np.zeros(scale.shape, dtype=np.int8)
            for values, suffix in ((scale, "_scale"), (zero, "_zero_point")):
                self.graph.initializer.append(numpy_helper.from_array(values, key + suffix))
            beside = [key + "_scale", key + "_zero_point"]
            along: dict[str, Any] = {} if axis is None else {"axis": axis}
            self.made[key] = (
                helper.make_node(
                    "QuantizeLinear", [name, *beside], [key + _QUANTIZED], f"{key}_QuantizeLinear", **along
                ),
                helper.make_node(
                    "DequantizeLinear", [key + _QUANTIZED, *beside], [key + _BACK], f"{key}_DequantizeLinear", **along
                ),
            )
        return key + _BACK

    def insert(self) -> None:
        """Put each pair before the first node that reads it, so that the graph stays in topological order."""
        waiting = {pair[1].output[0]: pair for pair in self.made.values()}
        nodes: list[onnx.NodeProto] = []
        for node in self.graph.node:
            for name in node.input:
                nodes += waiting.pop(name, ())
            nodes.append(node)
        del self.graph.node[:]
        self.graph.node.extend(nodes)


def _with_opset(bench: Bench) -> onnx.ModelProto:
    """The network with an opset that knows scales for each channel. Raises UsageError."""
    model = onnx.ModelProto()
    model.CopyFrom(bench.network.model)
    if bench.network.opset >= PER_CHANNEL_OPSET:
        return model
    what = f"{bench.network.path} has opset {bench.network.opset}, and scales for each channel need {PER_CHANNEL_OPSET}"
    hint = f"export it with opset {PER_CHANNEL_OPSET} or newer"
    try:
        model = version_converter.convert_version(model, PER_CHANNEL_OPSET)
    except Exception as error:  # RuntimeError and ConvertError of the C++ converter
        raise UsageError(what, hint) from error
    if not set(bench.names()) <= {node.name for node in model.graph.node}:
        raise UsageError(what, hint)
    return model
