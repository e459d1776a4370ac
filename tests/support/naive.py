"""The plain way to measure a layer: put Q/DQ nodes around it, run the whole network, compare the outputs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper, numpy_helper

Array = npt.NDArray[Any]


def quantized(model: onnx.ModelProto, layers: Mapping[str, Mapping[str, float]]) -> onnx.ModelProto:
    """The network with these layers in INT8; of each the largest magnitude that its activations keep."""
    made = onnx.ModelProto()
    made.CopyFrom(model)
    weights = {tensor.name: tensor for tensor in made.graph.initializer}
    weights |= {node.output[0]: node.attribute[0].t for node in made.graph.node if node.op_type == "Constant"}
    nodes: list[onnx.NodeProto] = []
    for at, node in enumerate(made.graph.node):
        if node.name in layers:
            for slot, name in enumerate(node.input[:2]):
                if name in weights:
                    value = numpy_helper.to_array(weights[name])
                    dense = node.op_type == "MatMul"
                    axis = value.ndim - 1 if dense else 0
                    largest = np.abs(value).max(axis=tuple(a for a in range(value.ndim) if a != axis))
                    scale = (largest / np.float32(127)).astype(np.float32)
                else:
                    axis, scale = 0, np.array(layers[node.name][name], dtype=np.float32) / np.float32(127)
                stem = f"q{at}_{slot}"
                made.graph.initializer.append(numpy_helper.from_array(scale, f"{stem}.s"))
                zero = np.zeros(scale.shape, np.int8)
                made.graph.initializer.append(numpy_helper.from_array(zero, f"{stem}.z"))
                how: dict[str, Any] = {"axis": axis} if scale.ndim else {}
                if scale.ndim and made.opset_import[0].version < 13:  # one scale a tensor: Q/DQ by hand
                    node.input[slot] = f"{stem}.d"
                    shape = [-1 if a == axis else 1 for a in range(value.ndim)]
                    step = scale.reshape(shape)
                    rounded = (np.clip(np.rint(value / step), -128, 127) * step).astype(np.float32)
                    made.graph.initializer.append(numpy_helper.from_array(rounded, f"{stem}.d"))
                    continue
                ends = [f"{stem}.s", f"{stem}.z"]
                nodes.append(helper.make_node("QuantizeLinear", [name, *ends], [f"{stem}.q"], None, None, None, **how))
                nodes.append(helper.make_node("DequantizeLinear", [f"{stem}.q", *ends], [f"{stem}.d"], **how))
                node.input[slot] = f"{stem}.d"
        nodes.append(node)
    copies = [onnx.NodeProto.FromString(node.SerializeToString()) for node in nodes]
    del made.graph.node[:]
    made.graph.node.extend(copies)
    return made


def run(model: onnx.ModelProto, feeds: Mapping[str, Array], threads: int = 1) -> list[Array]:
    """A network's outputs, with Q/DQ computed as they stand; `threads` 0: as many as onnxruntime likes."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.add_session_config_entry("session.disable_quant_qdq", "1")
    made = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return list(made.run(None, dict(feeds)))
