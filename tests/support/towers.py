"""Networks of many layers, for speed, and tiny ones, for what can be wrong with a network."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper


def tower(layers: int = 50, *, size: int = 96, width: int = 16, grow: float = 1.25, stages: int = 4) -> onnx.ModelProto:
    """Convolutions in stages; each stage halves the image and has `grow` times the channels of the one before."""
    rng = np.random.default_rng(0)
    nodes: list[onnx.NodeProto] = []
    tensors: list[onnx.TensorProto] = []
    x, channels = "x", 3
    for at in range(layers):
        stage = at * stages // layers
        out = int(width * grow**stage)
        stride = 2 if at == 0 or stage != (at - 1) * stages // layers else 1
        weight = rng.standard_normal((out, channels, 3, 3)) * (2 / (9 * channels)) ** 0.5
        tensors.append(numpy_helper.from_array(weight.astype(np.float32), f"w{at}"))
        inputs = [x, f"w{at}"]
        nodes.append(helper.make_node("Conv", inputs, [f"c{at}"], f"/conv{at}", pads=[1] * 4, strides=[stride] * 2))
        nodes.append(helper.make_node("Relu", [f"c{at}"], [f"r{at}"], f"/relu{at}"))
        x, channels = f"r{at}", out
    nodes.append(helper.make_node("GlobalAveragePool", [x], ["pooled"], "/pool"))
    nodes.append(helper.make_node("Flatten", ["pooled"], ["out"], "/flatten"))
    return network(nodes, tensors, {"x": ["N", 3, size, size]}, {"out": ["N", channels]})


def resnet50(size: int = 224) -> onnx.ModelProto:
    """ResNet-50's 53 convolutions and its classifier, batch normalization folded, random weights: 102 MB."""
    rng = np.random.default_rng(0)
    nodes: list[onnx.NodeProto] = []
    tensors: list[onnx.TensorProto] = []

    def conv(x: str, name: str, channels: tuple[int, int], kernel: int, stride: int, *, relu: bool = True) -> str:
        scale = (2 / (channels[0] * kernel**2)) ** 0.5
        values = rng.standard_normal((channels[1], channels[0], kernel, kernel)) * scale
        tensors.append(numpy_helper.from_array(values.astype(np.float32), f"{name}.w"))
        pads, strides = [kernel // 2] * 4, [stride] * 2
        nodes.append(helper.make_node("Conv", [x, f"{name}.w"], [f"{name}.out"], name, pads=pads, strides=strides))
        if relu:
            nodes.append(helper.make_node("Relu", [f"{name}.out"], [f"{name}.relu"], f"{name}/relu"))
        return f"{name}.relu" if relu else f"{name}.out"

    x, channels = conv("x", "/conv1", (3, 64), 7, 2), 64
    nodes.append(helper.make_node("MaxPool", [x], ["pool"], "/pool", kernel_shape=[3, 3], strides=[2, 2], pads=[1] * 4))
    x = "pool"
    for stage, blocks in enumerate((3, 4, 6, 3)):
        width = 64 << stage
        for block in range(blocks):
            name, stride = f"/layer{stage + 1}.{block}", 2 if stage and not block else 1
            y = conv(x, f"{name}/conv1", (channels, width), 1, 1)
            y = conv(y, f"{name}/conv2", (width, width), 3, stride)
            y = conv(y, f"{name}/conv3", (width, 4 * width), 1, 1, relu=False)
            if not block:
                x = conv(x, f"{name}/downsample", (channels, 4 * width), 1, stride, relu=False)
            nodes.append(helper.make_node("Add", [x, y], [f"{name}.sum"], f"{name}/add"))
            nodes.append(helper.make_node("Relu", [f"{name}.sum"], [f"{name}.out"], f"{name}/relu"))
            x, channels = f"{name}.out", 4 * width
    nodes.append(helper.make_node("GlobalAveragePool", [x], ["pooled"], "/avgpool"))
    nodes.append(helper.make_node("Flatten", ["pooled"], ["flat"], "/flatten"))
    tensors.append(numpy_helper.from_array(rng.standard_normal((channels, 1000)).astype(np.float32) / 45, "fc.w"))
    nodes.append(helper.make_node("MatMul", ["flat", "fc.w"], ["out"], "/fc"))
    return network(nodes, tensors, {"x": ["N", 3, size, size]}, {"out": ["N", 1000]})


def network(
    nodes: Sequence[onnx.NodeProto],
    tensors: Sequence[onnx.TensorProto],
    inputs: dict[str, list[str | int]],
    outputs: dict[str, list[str | int] | None],
    opset: int = 13,
) -> onnx.ModelProto:
    """A network of FP32 tensors."""
    graph = helper.make_graph(
        nodes,
        "made",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, dims) for name, dims in inputs.items()],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, dims) for name, dims in outputs.items()],
        tensors,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


def weight(name: str, *shape: int, seed: int = 1) -> onnx.TensorProto:
    """Random numbers."""
    values = np.random.default_rng(seed).standard_normal(shape).astype(np.float32)
    return numpy_helper.from_array(values, name)
