"""The smallest part of a network around a layer, as an ONNX file of its own, with what it was fed."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from onnx import helper

from tcscope.errors import UsageError, did_you_mean
from tcscope.sensitivity.data import Samples
from tcscope.sensitivity.failure import refused
from tcscope.sensitivity.int8 import Array
from tcscope.sensitivity.network import Network, captured, part_of
from tcscope.sensitivity.session import session


@dataclass(frozen=True)
class Part:
    """Some nodes of a network as a model; `inputs` are recorded, as `outputs` are, in FP32."""

    model: onnx.ModelProto
    nodes: tuple[str, ...]
    inputs: dict[str, Array]
    outputs: dict[str, Array]


def around(network: Network, layer: str, hops: int) -> tuple[onnx.NodeProto, ...]:
    """The node of this name and those at most `hops` away, over tensors in either direction, in order.

    Also those that lie on a path between two of them, so that the part is whole. Raises UsageError.
    """
    nodes = network.nodes
    names = [node.name for node in nodes]
    if layer not in names:
        what = f"{network.path} has no layer '{layer}'{did_you_mean(layer, names)}"
        raise UsageError(what, f"tcscope sensitivity {network.path} --random 1  # lists its layers")
    before, after = _neighbours(nodes)
    chosen = {names.index(layer)}
    for _ in range(hops):
        chosen |= {other for at in chosen for other in (*before[at], *after[at])}
    between = _reached(chosen, after) & _reached(chosen, before)
    return tuple(nodes[at] for at in sorted(chosen | between))


def part(network: Network, nodes: tuple[onnx.NodeProto, ...], samples: Samples) -> Part:
    """These nodes as a checked model, with the first batch of the samples as it reaches them. Raises UsageError."""
    made = {name for node in nodes for name in node.output if name}
    read = {name for node in nodes for name in captured(node)} - made - set(network.constants)
    chosen = {node.name for node in nodes}
    later = {name for node in network.nodes if node.name not in chosen for name in captured(node)}
    written = [n for node in nodes for n in node.output if n and (n in later or n in network.outputs)]
    written = written or [nodes[-1].output[0]]
    inputs = sorted(read)
    if not inputs:
        raise UsageError(f"{nodes[0].name} reads nothing that is computed or fed", "give a larger --hops")
    values = _recorded(network, [*inputs, *written], samples)
    held = {name for node in nodes for name in captured(node)} & set(network.constants)
    graph = helper.make_graph(
        nodes,
        network.model.graph.name or "part",
        [_info(name, values[name]) for name in inputs],
        [_info(name, values[name]) for name in written],
        [network.constants[name] for name in sorted(held)],
    )
    model = part_of(network.model, graph)
    try:
        onnx.checker.check_model(model, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        said = " ".join(str(error).split())[:120]
        raise UsageError(f"the part of {network.path} is no sound network: {said}", "give another --hops") from error
    return Part(
        model, tuple(node.name for node in nodes), {n: values[n] for n in inputs}, {n: values[n] for n in written}
    )


def _info(name: str, value: Array) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(value.dtype), value.shape)


def save(found: Part, folder: Path, stem: str) -> list[Path]:
    """Write NAME.onnx, NAME.inputs.npz, NAME.outputs.npz. Raises UsageError where one is there, or can't be written."""
    paths = [folder / f"{stem}{suffix}" for suffix in (".onnx", ".inputs.npz", ".outputs.npz")]
    for path in paths:
        if path.exists():
            raise UsageError(f"{path} is there already", "give -o another folder")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        onnx.save(found.model, str(paths[0]))
        np.savez(paths[1], **found.inputs)  # type: ignore[arg-type]
        np.savez(paths[2], **found.outputs)  # type: ignore[arg-type]
    except OSError as error:
        raise UsageError(
            f"can't write into {folder}: {error.strerror}", "give -o a folder that can be written"
        ) from error
    return paths


def _recorded(network: Network, names: Collection[str], samples: Samples) -> dict[str, Array]:
    """These tensors of the network in FP32, on the first batch of the samples."""
    feeds = next(samples.batches(samples.fixed or 1))
    model = onnx.ModelProto()
    model.CopyFrom(network.model)
    known = set(network.outputs)
    wanted = [name for name in dict.fromkeys(names) if name not in feeds]
    model.graph.output.extend(helper.make_empty_tensor_value_info(n) for n in wanted if n not in known)
    try:
        values = session(model).run(wanted, feeds)
    except Exception as error:
        raise refused(network.path, error) from error
    return {**{name: feeds[name] for name in names if name in feeds}, **dict(zip(wanted, values, strict=True))}


def _neighbours(nodes: list[onnx.NodeProto]) -> tuple[list[set[int]], list[set[int]]]:
    """For each node those that it reads from, and those that read from it."""
    writer = {name: at for at, node in enumerate(nodes) for name in node.output if name}
    before = [{writer[name] for name in captured(node) if name in writer} for node in nodes]
    after: list[set[int]] = [set() for _ in nodes]
    for at, found in enumerate(before):
        for other in found:
            after[other].add(at)
    return before, after


def _reached(start: set[int], steps: list[set[int]]) -> set[int]:
    """All that can be reached from any of these."""
    found, waiting = set(start), list(start)
    while waiting:
        for other in steps[waiting.pop()] - found:
            found.add(other)
            waiting.append(other)
    return found
