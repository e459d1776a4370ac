"""The network as an ONNX file: read, checked, its constants folded, its nodes named as TensorRT names them."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import onnx
from onnx import helper
from onnx.external_data_helper import load_external_data_for_model, uses_external_data

from tcscope.errors import UsageError
from tcscope.sensitivity.extra import check_file
from tcscope.sensitivity.failure import refused

OLDEST_OPSET = 7  # ONNX Runtime: "only guarantees support for models stamped with opset version 7 or above"
_QUANTIZED = frozenset(
    ("QuantizeLinear", "DequantizeLinear", "QLinearConv", "QLinearMatMul", "ConvInteger", "MatMulInteger", "QGemm")
)
_CHANGING = frozenset(
    ("RandomNormal", "RandomUniform", "RandomNormalLike", "RandomUniformLike", "Multinomial", "Bernoulli")
)
_LARGEST = (1 << 31) - 1  # bytes of a protobuf message
_INT8_HINT = "give the network as it was before quantization"


@dataclass(frozen=True)
class Network:
    """A network whose nodes bear names and whose constants are initializers; `opset` is that of ONNX itself."""

    path: Path
    model: onnx.ModelProto
    digest: str
    opset: int
    constants: Mapping[str, onnx.TensorProto]

    @property
    def nodes(self) -> list[onnx.NodeProto]:
        """The nodes in the order of the file, which is topological."""
        return list(self.model.graph.node)

    @property
    def inputs(self) -> list[onnx.ValueInfoProto]:
        """What is fed: the graph's inputs without those that an initializer fills."""
        return [value for value in self.model.graph.input if value.name not in self.constants]

    @property
    def outputs(self) -> list[str]:
        """The names of the graph's outputs without those that are constants: nothing changes them."""
        return [value.name for value in self.model.graph.output if value.name not in self.constants]


def load(path: Path) -> Network:
    """Read and check a network. Raises UsageError."""
    model, digest = _read(path)
    opset = next((entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")), 0)
    if opset < OLDEST_OPSET:
        what = f"{path} has opset {opset}, and onnxruntime runs opset {OLDEST_OPSET} or newer"
        raise UsageError(what, "onnx.version_converter.convert_version(model, 13)")
    quantized = Counter(node.op_type for node in model.graph.node if node.op_type in _QUANTIZED)
    if quantized:
        (op, number), *_ = quantized.most_common(1)
        raise UsageError(f"{path} is already quantized: it has {number} nodes {op}", _INT8_HINT)
    _name_nodes(model)
    constants = _folded(path, model)
    _without_dead(model)
    network = Network(path, model, digest, opset, constants)
    if not network.outputs:
        raise UsageError(f"{path} has no output that is computed or fed", "give a network that computes something")
    return network


def _read(path: Path) -> tuple[onnx.ModelProto, str]:
    check_file(path)
    try:
        model = onnx.load(str(path), load_external_data=False)
        model.graph.node[0]  # what is no ONNX often parses as a message without anything in it
        held = (*model.graph.initializer, *(a.t for node in model.graph.node for a in node.attribute))
        beside = [tensor for tensor in held if uses_external_data(tensor)]
        _check_size(path, model, beside)
        load_external_data_for_model(model, str(path.parent))
    except UsageError:
        raise
    except (OSError, IndexError) as error:
        said = error.strerror if isinstance(error, OSError) and error.strerror else "it has no nodes"
        raise UsageError(
            f"can't read the network {path}: {said}", "tcscope sensitivity model.onnx --random 16"
        ) from error
    except Exception as error:  # protobuf's DecodeError, onnx's own ValidationError of external data
        said = " ".join(str(error).split())[:120]
        raise UsageError(f"{path} is no ONNX file: {said}", "tcscope sensitivity model.onnx --random 16") from error
    if not _is_text(model.graph):
        raise UsageError(f"{path} is no ONNX file: a name in it is no UTF-8", "export the network again")
    digest = hashlib.sha256(path.read_bytes())
    for tensor in beside:
        digest.update(tensor.raw_data)
    return model, digest.hexdigest()


def _check_size(path: Path, model: onnx.ModelProto, beside: Iterable[onnx.TensorProto]) -> None:
    """Raise UsageError where the network with the weights that lie beside it is more than a message can be."""
    told = [entry.value for tensor in beside for entry in tensor.external_data if entry.key == "length"]
    size = model.ByteSize() + sum(int(length) for length in told if length.isdecimal())
    if size > _LARGEST:
        what = f"{path} holds {size / 1e9:.1f} GB with its weights, and no more than 2.1 GB can be cut into pieces"
        raise UsageError(what, f"polygraphy surgeon extract {path} --inputs ... --outputs ... -o block.onnx")


def _is_text(graph: onnx.GraphProto) -> bool:
    """Whether all names are text: of what is no UTF-8 protobuf makes bytes."""
    names: list[object] = [graph.name, *(value.name for value in (*graph.input, *graph.output, *graph.initializer))]
    inner = []
    for node in graph.node:
        names += [node.name, node.op_type, node.domain, *node.input, *node.output]
        names += [attribute.name for attribute in node.attribute]
        inner += [graph for attribute in node.attribute for graph in (attribute.g, *attribute.graphs)]
    return all(isinstance(name, str) for name in names) and all(map(_is_text, inner))


def _name_nodes(model: onnx.ModelProto) -> None:
    """Name each node as TensorRT's ONNX parser names its layer: `getNodeName` and `generateUniqueName` in it."""
    taken: set[str] = set()
    counter = 0
    for node in model.graph.node:
        base = node.name or (f"node_of_{node.output[0]}" if node.output else node.op_type)
        name = base
        while name in taken:
            name = f"{base}_{counter}"
            counter += 1
        taken.add(name)
        node.name = name


def captured(node: onnx.NodeProto) -> set[str]:
    """What a node reads: its inputs, and what the bodies of a loop or condition take from outside."""
    names = {name for name in node.input if name}
    for attribute in node.attribute:
        for graph in (attribute.g, *attribute.graphs):
            made = {value.name for value in (*graph.input, *graph.initializer)}
            for inner in graph.node:
                names |= captured(inner) - made
                made.update(inner.output)
            names |= {value.name for value in graph.output} - made
    return names


def _folded(path: Path, model: onnx.ModelProto) -> dict[str, onnx.TensorProto]:
    """The constants by name, with what only depends on constants computed and its nodes taken out of the graph."""
    graph = model.graph
    inputs = {value.name for value in graph.input}
    constants = {tensor.name: tensor for tensor in graph.initializer}
    known = set(constants) - inputs  # of an initializer that is an input too another value may be fed
    foldable, rest = [], []
    for node in graph.node:
        plain = not any(attribute.g.node or attribute.graphs for attribute in node.attribute)
        if plain and node.op_type not in _CHANGING and captured(node) <= known:
            foldable.append(node)
            known.update(node.output)
        else:
            rest.append(node)
    if not foldable:
        return constants
    wanted = {name for node in rest for name in captured(node)} | {value.name for value in graph.output}
    made = [name for node in foldable for name in node.output if name in wanted]
    for tensor in _computed(path, model, foldable, made, constants):
        constants[tensor.name] = tensor
        if tensor.name not in inputs:
            graph.initializer.append(tensor)
    del graph.node[:]
    graph.node.extend(rest)
    return constants


def _without_dead(model: onnx.ModelProto) -> None:
    """Take out the nodes that no output needs, as TensorRT does, which calls it dead-layer removal.

    One of an operator that ONNX doesn't know stays, and is refused when the network is run, as by TensorRT's parser.
    """
    needed = {value.name for value in model.graph.output}
    alive = []
    for node in reversed(model.graph.node):
        if needed.intersection(node.output) or not onnx.defs.has(node.op_type, domain=node.domain):
            needed |= captured(node)
            alive.append(node)
    del model.graph.node[:]
    model.graph.node.extend(reversed(alive))


def _computed(
    path: Path,
    model: onnx.ModelProto,
    nodes: list[onnx.NodeProto],
    wanted: list[str],
    constants: Mapping[str, onnx.TensorProto],
) -> Iterable[onnx.TensorProto]:
    import numpy as np

    from tcscope.sensitivity.session import session

    if not wanted:
        return
    read = {name for node in nodes for name in captured(node)} & set(constants)
    graph = helper.make_graph(
        nodes,
        "constants",
        [],
        [helper.make_empty_tensor_value_info(n) for n in wanted],
        [constants[n] for n in sorted(read)],
    )
    try:
        values = session(part_of(model, graph)).run(wanted, {})
    except Exception as error:
        raise refused(path, error) from error
    for name, value in zip(wanted, values, strict=True):
        if isinstance(value, np.ndarray):
            yield onnx.numpy_helper.from_array(np.ascontiguousarray(value), name)


def part_of(model: onnx.ModelProto, graph: onnx.GraphProto) -> onnx.ModelProto:
    """A model of some nodes of another, with the same operators."""
    return helper.make_model(
        graph, opset_imports=list(model.opset_import), functions=list(model.functions), ir_version=model.ir_version
    )
