"""Random small networks: every way that ONNX knows to write a layer, and what stands between layers."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, defs, helper, numpy_helper, shape_inference

BATCH = 2  # of a network whose batch is open, while its shapes are found
OPSETS = (11, 12, 13, 13, 15, 17, 18, 20)
Shape = tuple[int, ...]


class NetworkMaker:
    """A network that grows node by node; what would not fit is left out."""

    def __init__(self, rnd: random.Random) -> None:
        self.rnd = rnd
        self.opset = rnd.choice(OPSETS)
        self.elem = rnd.choices([TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.DOUBLE], [10, 1, 1])[0]
        self.open = rnd.random() < 0.5
        self.values = np.random.default_rng(rnd.randrange(2**32))
        self.nodes: list[onnx.NodeProto] = []
        self.tensors: list[onnx.TensorProto] = []
        self.as_input: list[str] = []  # weights that are graph inputs too
        self.inputs: dict[str, Shape] = {}
        self.shapes: dict[str, Shape] = {}  # of what is computed or fed
        self.weights: dict[Shape, list[str]] = {}
        self.number = 0

    def made(self) -> onnx.ModelProto:
        """The network."""
        rnd = self.rnd
        for at in range(rnd.choice((1, 1, 1, 2, 3))):
            rank = rnd.choice((2, 2, 3, 3, 4, 4, 4, 5))
            shape = (BATCH, *(rnd.randint(1, 6) for _ in range(rank - 1)))
            self.inputs[f"x{at}"] = self.shapes[f"x{at}"] = shape
        wanted = rnd.randint(1, 9)
        for _ in range(40):
            if len(self.nodes) >= wanted and any(n.op_type in LAYERS for n in self.nodes):
                break
            rnd.choice((*(self._conv, self._transposed, self._gemm, self._matmul) * 2, *self._between()))()
        return self._model()

    def _model(self) -> onnx.ModelProto:
        rnd = self.rnd
        read = {name for node in self.nodes for name in node.input}
        ends = [name for name in self.shapes if name not in read and name not in self.inputs]
        outputs = ends[-3:] if rnd.random() < 0.7 or not ends else [rnd.choice(ends)]
        others = [*self.shapes, *(t.name for t in self.tensors)]
        outputs += [rnd.choice(others) for _ in range(rnd.choice((0, 0, 1, 2)))]
        outputs = list(dict.fromkeys(outputs)) or ["x0"]
        rnd.shuffle(outputs)
        names = [rnd.choice(("", "same", "/a/b", f"/n{at}")) for at in range(len(self.nodes))]
        for node, name in zip(self.nodes, names, strict=True):
            node.name = name
        held = {tensor.name: tensor for tensor in self.tensors}
        declared = {name: ["N" if self.open else BATCH, *shape[1:]] for name, shape in self.inputs.items()}
        inputs = [helper.make_tensor_value_info(name, self.elem, shape) for name, shape in declared.items()]
        inputs += [helper.make_tensor_value_info(n, held[n].data_type, list(held[n].dims)) for n in self.as_input]
        for name, shape in self.shapes.items():
            declared.setdefault(name, [f"{name}_{at}" for at in range(len(shape))])
        infos = [
            helper.make_tensor_value_info(n, held[n].data_type, list(held[n].dims))
            if n in held
            else helper.make_tensor_value_info(n, self.elem, None if rnd.random() < 0.1 else declared.get(n))
            for n in outputs
        ]
        graph = helper.make_graph(self.nodes, "random", inputs, infos, self.tensors)
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", self.opset)], ir_version=8)

    # what a node is made of

    def _name(self, stem: str = "t") -> str:
        self.number += 1
        return f"{stem}{self.number}"

    def _any(self, *ranks: int) -> str | None:
        found = [name for name, shape in self.shapes.items() if not ranks or len(shape) in ranks]
        return self.rnd.choice(found[-4:] if self.rnd.random() < 0.7 else found) if found else None

    def _constant(self, array: np.ndarray, *, plain: bool = False) -> str:
        tensor = numpy_helper.from_array(np.ascontiguousarray(array), self._name("w"))
        kind = 1.0 if plain else self.rnd.random()
        if kind < 0.15:
            self.nodes.append(helper.make_node("Constant", [], [tensor.name], value=tensor))
            return str(tensor.name)
        self.tensors.append(tensor)
        if kind < 0.25:
            self.as_input.append(tensor.name)
        elif kind < 0.35:
            self.nodes.append(helper.make_node("Identity", [tensor.name], [tensor.name + "i"]))
            return f"{tensor.name}i"
        return str(tensor.name)

    def _weight(self, *shape: int) -> str:
        known = self.weights.setdefault(shape, [])
        if known and self.rnd.random() < 0.5:
            return self.rnd.choice(known)
        values = self.values.standard_normal(shape)
        if self.rnd.random() < 0.1:
            values[:1] = 0  # a channel of zeros
        if self.rnd.random() < 0.1:
            values[..., :1] *= 50
        known.append(self._constant(values.astype(helper.tensor_dtype_to_np_dtype(self.elem))))
        return known[-1]

    def _add(self, op: str, inputs: Sequence[str], outputs: int = 1, **how: Any) -> bool:
        """Append a node if its shapes fit and are small."""
        node = helper.make_node(op, inputs, [self._name() for _ in range(outputs)], **how)
        types = {name: helper.make_tensor_type_proto(self.elem, shape) for name, shape in self.shapes.items()}
        held = {tensor.name: tensor for tensor in self.tensors}
        held |= {n.output[0]: n.attribute[0].t for n in self.nodes if n.op_type == "Constant"}
        held |= {n.output[0]: held[n.input[0]] for n in self.nodes if n.op_type == "Identity" and n.input[0] in held}
        types |= {name: helper.make_tensor_type_proto(t.data_type, list(t.dims)) for name, t in held.items()}
        given = {name: types[name] for name in inputs if name}
        data = {name: held[name] for name in inputs if name in held}
        try:
            schema = defs.get_schema(op, self.opset, "")
            opsets = [helper.make_opsetid("", self.opset)]
            found = shape_inference.infer_node_outputs(schema, node, given, data, opset_imports=opsets)
        except Exception:  # onnx's InferenceError, SchemaError and RuntimeError: it does not fit
            return False
        shapes = {}
        for name in node.output:
            dims = found[name].tensor_type.shape.dim if name in found else ()
            shapes[name] = tuple(dim.dim_value for dim in dims)
            if name not in found or any(d < 1 for d in shapes[name]) or np.prod(shapes[name], initial=1) > 3000:
                return False
        self.nodes.append(node)
        self.shapes |= shapes
        return True

    # layers

    def _window(self, spatial: Shape) -> dict[str, Any]:
        rnd, n = self.rnd, len(spatial)
        how: dict[str, Any] = {}
        if rnd.random() < 0.5:
            how["strides"] = [rnd.randint(1, 2) for _ in range(n)]
        if rnd.random() < 0.3:
            how["dilations"] = [rnd.randint(1, 2) for _ in range(n)]
        kind = rnd.random()
        if kind < 0.5:
            how["pads"] = [rnd.randint(0, 2) for _ in range(2 * n)]
        elif kind < 0.7:
            how["auto_pad"] = rnd.choice(("SAME_UPPER", "SAME_LOWER", "VALID", "NOTSET"))
        return how

    def _conv(self) -> None:
        rnd, x = self.rnd, self._any(3, 4, 5)
        if x is None:
            return
        _, channels, *spatial = self.shapes[x]
        group = rnd.choice([g for g in range(1, channels + 1) if channels % g == 0])
        kernel = [rnd.randint(1, 3) for _ in spatial]
        out = group * rnd.randint(1, 3)
        inputs = [x, self._weight(out, channels // group, *kernel), *self._bias(out)]
        how: dict[str, Any] = {"kernel_shape": kernel} if rnd.random() < 0.5 else {}
        self._add("Conv", inputs, group=group, **how, **self._window(tuple(spatial)))

    def _transposed(self) -> None:
        rnd, x = self.rnd, self._any(3, 4, 5)
        if x is None:
            return
        _, channels, *spatial = self.shapes[x]
        group = rnd.choice([g for g in range(1, channels + 1) if channels % g == 0])
        each = rnd.randint(1, 3)
        kernel = [rnd.randint(1, 3) for _ in spatial]
        inputs = [x, self._weight(channels, each, *kernel), *self._bias(group * each)]
        self._add("ConvTranspose", inputs, group=group, **self._window(tuple(spatial)))

    def _bias(self, size: int) -> list[str]:
        kind = self.rnd.random()
        return [] if kind < 0.4 else [""] if kind < 0.5 else [self._weight(size)]

    def _gemm(self) -> None:
        rnd, x = self.rnd, self._any(2)
        if x is None:
            return
        rows, columns = self.shapes[x]
        how: dict[str, Any] = {key: 1 for key in ("transA", "transB") if rnd.random() < 0.4}
        how |= {key: rnd.choice((0.5, 2.0, -1.0)) for key in ("alpha", "beta") if rnd.random() < 0.3}
        size = rnd.randint(1, 6)
        if rnd.random() < 0.7:
            inner = rows if how.get("transA") else columns
            inputs = [x, self._weight(*((size, inner) if how.get("transB") else (inner, size)))]
        elif rnd.random() < 0.7:
            inner = columns if how.get("transB") else rows
            inputs = [self._weight(*((inner, size) if how.get("transA") else (size, inner))), x]
        else:
            inputs = [x, self._any(2) or x]
        if rnd.random() < 0.6:
            inputs.append(rnd.choice((inputs[1], self._weight(size), self._weight(1), self._any(2) or "", "")))
        self._add("Gemm", inputs, **how)

    def _matmul(self) -> None:
        rnd, x = self.rnd, self._any(2, 3, 4, 5)
        if x is None:
            return
        *outer, rows, columns = self.shapes[x]
        kind, size = rnd.random(), rnd.randint(1, 6)
        if kind < 0.5:
            inputs = [x, self._weight(columns, size)]
        elif kind < 0.6:
            inputs = [x, self._weight(*outer[1:], columns, size)]
        elif kind < 0.7:
            inputs = [x, self._weight(columns)]
        elif kind < 0.8:
            inputs = [self._weight(size, rows), x]
        elif kind < 0.85:
            inputs = [self._weight(rows), x]
        elif kind < 0.95:
            perm = [*range(len(outer)), len(outer) + 1, len(outer)]
            if not self._add("Transpose", [x], perm=perm):
                return
            inputs = [x, self.nodes[-1].output[0]]
        else:
            inputs = [x, self._any(len(self.shapes[x])) or x]
        self._add("MatMul", inputs)

    # what stands between

    def _between(self) -> tuple[Callable[[], object], ...]:
        return (
            *(lambda op=op: self._add(op, [self._any() or "x0"]) for op in ("Relu", "Sigmoid", "Identity", "Tanh")),
            lambda: self._add("Softmax", [self._any(2, 3) or "x0"], axis=1),
            lambda: self._add(self.rnd.choice(("Add", "Mul", "Sub")), [self._any() or "x0", self._any() or "x0"]),
            *(self._scaled, self._normalized, self._split, self._joined, self._reshaped, self._permuted),
            *(self._condition, self._loop, self._constants),
        )

    def _scaled(self) -> None:
        x = self._any() or "x0"
        self._add(self.rnd.choice(("Add", "Mul")), [x, self._weight(self.shapes[x][-1])][:: self.rnd.choice((1, -1))])

    def _normalized(self) -> None:
        x = self._any(2, 3, 4) or "x0"
        channels = self.shapes[x][1]
        variance = np.abs(self.values.standard_normal(channels)) + 0.5
        held = self._constant(variance.astype(helper.tensor_dtype_to_np_dtype(self.elem)))
        self._add("BatchNormalization", [x, *(self._weight(channels) for _ in range(3)), held])

    def _split(self) -> None:
        x = self._any() or "x0"
        axis = self.rnd.randrange(len(self.shapes[x]))
        size = self.shapes[x][axis]
        if size % 2 == 0 and axis:
            more = {"num_outputs": 2} if self.opset >= 18 else {}
            self._add("Split", [x], 2, axis=axis, **more)

    def _joined(self) -> None:
        x = self._any() or "x0"
        same = [name for name, shape in self.shapes.items() if shape == self.shapes[x]]
        self._add("Concat", [x, self.rnd.choice(same)], axis=len(self.shapes[x]) - 1)

    def _reshaped(self) -> None:
        x = self._any() or "x0"
        shape = self.shapes[x]
        wanted = self.rnd.choice(([0, -1], [0, 1, -1], [0, -1, 1, shape[-1]], list(shape), [-1, shape[-1]], [-1]))
        self._add("Reshape", [x, self._constant(np.array(wanted, np.int64))])

    def _permuted(self) -> None:
        x = self._any() or "x0"
        perm = list(range(1, len(self.shapes[x])))
        self.rnd.shuffle(perm)
        self._add("Transpose", [x], perm=[0, *perm])

    def _constants(self) -> None:
        """A node of constants alone, and one that nobody reads."""
        w = self._weight(self.rnd.randint(1, 4), 3)
        name = self._name("c")
        self.nodes.append(helper.make_node("Neg", [w], [name]))
        self._add("Relu", [self._any() or "x0"])

    def _condition(self) -> None:
        """A branch that reads what is outside, and a layer in one of its bodies."""
        x = self._any(2, 3, 4, 5) or "x0"
        if self.open and x not in self.inputs:
            return  # the batch may have become the last axis
        *_, last = self.shapes[x]
        w, truth, out = self._weight(last, last), self._name("b"), self._name()
        self.nodes.append(helper.make_node("ReduceMax", [x], [truth + "m"], keepdims=0))
        zero = self._constant(np.zeros((), helper.tensor_dtype_to_np_dtype(self.elem)), plain=True)
        self.nodes.append(helper.make_node("Greater", [truth + "m", zero], [truth]))
        bodies = []
        for op, inputs in (("MatMul", [x, w]), ("Relu", [x])):
            name = self._name("inner")
            info = helper.make_tensor_value_info(name, self.elem, None)
            bodies.append(helper.make_graph([helper.make_node(op, inputs, [name], name)], name, [], [info]))
        self.nodes.append(helper.make_node("If", [truth], [out], then_branch=bodies[0], else_branch=bodies[1]))
        self.shapes[out] = self.shapes[x]

    def _loop(self) -> None:
        """Two rounds that add something from outside to what they carry."""
        x = self._any() or "x0"
        other = self.rnd.choice([name for name, shape in self.shapes.items() if shape == self.shapes[x]])
        at, go, held, new, on, out = (self._name(s) for s in ("i", "go", "held", "new", "on", "t"))
        make = helper.make_tensor_value_info
        body = helper.make_graph(
            [helper.make_node("Add", [held, other], [new]), helper.make_node("Identity", [go], [on])],
            "body",
            [make(at, TensorProto.INT64, []), make(go, TensorProto.BOOL, []), make(held, self.elem, None)],
            [make(on, TensorProto.BOOL, []), make(new, self.elem, None)],
        )
        rounds = self._constant(np.array(2, np.int64), plain=True)
        self.nodes.append(helper.make_node("Loop", [rounds, "", x], [out], body=body))
        self.shapes[out] = self.shapes[x]


LAYERS = ("Conv", "ConvTranspose", "Gemm", "MatMul")
