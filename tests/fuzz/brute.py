"""A layer in INT8 the plain way: rounding spelled out as nodes in the whole network, and its outputs compared."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

Array = npt.NDArray[Any]


def run(model: onnx.ModelProto, feeds: Mapping[str, Array]) -> list[Array]:
    """The outputs as the nodes stand: onnxruntime 1.32 fuses Transpose and MatMul wrongly where one has a vector."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 4
    providers = ["CPUExecutionProvider"]
    made = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=providers, enable_fallback=0)
    return list(made.run(None, dict(feeds)))


def with_outputs(model: onnx.ModelProto, names: Iterable[str]) -> onnx.ModelProto:
    """The network with more outputs."""
    made = onnx.ModelProto()
    made.CopyFrom(model)
    known = {value.name for value in made.graph.output}
    made.graph.output.extend(helper.make_empty_tensor_value_info(n) for n in dict.fromkeys(names) if n not in known)
    return made


def tensors(model: onnx.ModelProto, names: Collection[str], feeds: Mapping[str, Array]) -> dict[str, Array]:
    """These tensors of a network; an input is what is fed."""
    wanted = [name for name in dict.fromkeys(names) if name not in feeds]
    made = with_outputs(model, wanted)
    values = dict(zip([value.name for value in made.graph.output], run(made, feeds), strict=True))
    return {name: feeds[name] if name in feeds else values[name] for name in names}


def fixed(model: onnx.ModelProto) -> set[str]:
    """The tensors that nothing fed can change."""
    found = {tensor.name for tensor in model.graph.initializer}
    for node in model.graph.node:
        inner = [a for a in node.attribute if a.type == onnx.AttributeProto.GRAPH]
        if not inner and all(name in found for name in node.input if name):
            found.update(node.output)
    return found


def axis_of(node: onnx.NodeProto, slot: int, rank: int) -> int | None:
    """The axis of a weight that has a scale for each output channel; None of one with a scale for all."""
    how = {attribute.name: attribute.i for attribute in node.attribute}
    if node.op_type == "Conv":
        return 0
    if node.op_type == "ConvTranspose" or rank == 1:
        return None
    if slot == 1:
        return rank - 2 if how.get("transB") else rank - 1
    return rank - 1 if how.get("transA") else rank - 2


def rounded_weight(value: Array, axis: int | None) -> Array:
    """A weight through INT8."""
    values = value.astype(np.float32)
    if axis is None:
        largest = np.abs(values).max(keepdims=True)
    else:
        largest = np.abs(values).max(axis=tuple(a for a in range(values.ndim) if a != axis), keepdims=True)
    scale = largest / np.float32(127)
    scale[scale == 0] = 1
    whole = np.clip(np.rint(values / scale), -128, 127)
    made: Array = (whole * scale).astype(value.dtype)
    return made


def in_int8(
    model: onnx.ModelProto, layers: Collection[str], clips: Mapping[str, float], held: Mapping[str, Array]
) -> onnx.ModelProto:
    """The network with the layers that compute these tensors in INT8; `held` are the values of its fixed tensors."""
    made = onnx.ModelProto()
    made.CopyFrom(model)
    same = fixed(model)
    nodes: list[onnx.NodeProto] = []
    for at, node in enumerate(made.graph.node):
        if node.output[0] in layers:
            for slot, name in enumerate(node.input[:2]):
                stem = f"brute_{at}_{slot}"
                if name in same:
                    axis = axis_of(node, slot, held[name].ndim)
                    value = rounded_weight(held[name], axis)
                    made.graph.initializer.append(numpy_helper.from_array(value, stem))
                    node.input[slot] = stem
                else:
                    nodes += _rounding(made.graph, name, stem, clips[name], held)
                    node.input[slot] = stem
        nodes.append(node)
    copies = [onnx.NodeProto.FromString(node.SerializeToString()) for node in nodes]
    del made.graph.node[:]
    made.graph.node.extend(copies)
    return made


def _rounding(
    graph: onnx.GraphProto, name: str, stem: str, clip: float, held: Mapping[str, Array]
) -> list[onnx.NodeProto]:
    step = np.float32(clip) / np.float32(127)
    for suffix, value in (("s", step if step > 0 else 1), ("low", -128), ("high", 127)):
        graph.initializer.append(numpy_helper.from_array(np.array(value, np.float32), stem + suffix))
    back = helper.np_dtype_to_tensor_dtype(held[name].dtype)
    return [
        helper.make_node("Cast", [name], [stem + "a"], to=TensorProto.FLOAT),
        helper.make_node("Div", [stem + "a", stem + "s"], [stem + "b"]),
        helper.make_node("Round", [stem + "b"], [stem + "c"]),
        helper.make_node("Clip", [stem + "c", stem + "low", stem + "high"], [stem + "d"]),
        helper.make_node("Mul", [stem + "d", stem + "s"], [stem + "e"]),
        helper.make_node("Cast", [stem + "e"], [stem], to=back),
    ]


def loss(base: Iterable[list[Array]], new: Iterable[list[Array]]) -> float:
    """The noise over the signal of each output over all batches, and the mean of the outputs in floating point."""
    noise: dict[int, float] = {}
    signal: dict[int, float] = {}
    for ones, others in zip(base, new, strict=True):
        for at, (one, other) in enumerate(zip(ones, others, strict=True)):
            if one.dtype.kind == "f":
                a, b = one.astype(np.float64), other.astype(np.float64)
                noise[at] = noise.get(at, 0.0) + float(((b - a) ** 2).sum())
                signal[at] = signal.get(at, 0.0) + float((a**2).sum())
    ratios = [noise[at] / signal[at] if signal[at] else float(noise[at] > 0) for at in noise]
    return sum(ratios) / max(len(ratios), 1)
