"""A small CNN for scikit-learn's handwritten digits, some channels of which are hard to quantize.

It is trained here with numpy alone: `python -m tests.support.digits` takes half a minute and writes digits.npz. Of some
layers a few channels are then made larger and what reads them smaller by the same factor: behind a ReLU the network
computes what it did, and INT8, which has one scale for all channels of an activation, loses accuracy there. So do
networks with outliers.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

Array = npt.NDArray[Any]
CHANNELS = ((1, 12, 1), (12, 12, 1), (12, 16, 2), (16, 16, 1), (16, 24, 2), (24, 24, 1))  # in, out, stride
HIDDEN = 32
OUTLIERS = {1: 6.0, 2: 40.0, 4: 12.0, 5: 60.0, 6: 15.0}  # by the layer whose output has them: how much larger
LAYERS = (*(f"/conv{at}/Conv" for at in range(6)), "/fc0/Gemm", "/fc1/MatMul")
KEPT = Path(__file__).with_name("digits.npz")


@dataclass
class Weights:
    """Weights and biases: convolutions OIHW, dense ones in x out."""

    w: list[Array]
    b: list[Array]


def data() -> tuple[Array, Array]:
    """The images, N x 1 x 8 x 8 from 0 to 1, and what they show."""
    from sklearn.datasets import load_digits

    held = load_digits()
    return (held.images[:, None] / 16).astype(np.float32), held.target.astype(np.int64)


def _columns(x: Array, stride: int) -> Array:
    """3 x 3 patches with a border of zeros: N x H x W x (C 9)."""
    padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
    views = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(2, 3))[:, :, ::stride, ::stride]
    n, c, h, w = views.shape[:4]
    return np.ascontiguousarray(views.transpose(0, 2, 3, 1, 4, 5)).reshape(n, h, w, c * 9)


def _back(columns: Array, shape: tuple[int, ...], stride: int) -> Array:
    n, c, height, width = shape
    out = np.zeros((n, c, height + 2, width + 2), dtype=np.float32)
    parts = columns.reshape(n, columns.shape[1], columns.shape[2], c, 3, 3)
    h, w = parts.shape[1:3]
    for i in range(3):
        for j in range(3):
            out[:, :, i : i + stride * h : stride, j : j + stride * w : stride] += parts[..., i, j].transpose(
                0, 3, 1, 2
            )
    return out[:, :, 1:-1, 1:-1]


def _step(m: Weights, x: Array, y: Array) -> tuple[list[Array], list[Array]]:
    """The gradients of one batch's cross entropy."""
    kept: list[tuple[Array, Array]] = []
    for (_, out, stride), w, b in zip(CHANNELS, m.w, m.b, strict=False):
        columns = _columns(x, stride)
        z = columns @ w.reshape(out, -1).T + b
        kept.append((x, columns))
        x = np.maximum(z, 0).transpose(0, 3, 1, 2)
    flat = x.reshape(len(x), -1)
    hidden = np.maximum(flat @ m.w[6] + m.b[6], 0)
    logits = hidden @ m.w[7] + m.b[7]
    p = np.exp(logits - logits.max(1, keepdims=True))
    p /= p.sum(1, keepdims=True)
    p[np.arange(len(y)), y] -= 1
    d = p / len(y)
    gw, gb = [hidden.T @ d], [d.sum(0)]
    d = (d @ m.w[7].T) * (hidden > 0)
    gw.insert(0, flat.T @ d)
    gb.insert(0, d.sum(0))
    grad = (d @ m.w[6].T).reshape(x.shape)
    above = x
    for at in reversed(range(len(CHANNELS))):
        _, out, stride = CHANNELS[at]
        below, columns = kept[at]
        dz = (grad * (above > 0)).transpose(0, 2, 3, 1).reshape(-1, out)
        gw.insert(0, (dz.T @ columns.reshape(len(dz), -1)).reshape(m.w[at].shape))
        gb.insert(0, dz.sum(0))
        if at:
            grad = _back((dz @ m.w[at].reshape(out, -1)).reshape(columns.shape), below.shape, stride)
        above = below
    return gw, gb


def trained(epochs: int = 12) -> Weights:
    """The network after some epochs of Adam over the first 1,297 images."""
    rng = np.random.default_rng(7)
    shapes = [(o, i, 3, 3) for i, o, _ in CHANNELS] + [(24 * 4, HIDDEN), (HIDDEN, 10)]
    fan = [i * 9 for i, _, _ in CHANNELS] + [96, HIDDEN]
    m = Weights(
        [(rng.standard_normal(s) * (2 / f) ** 0.5).astype(np.float32) for s, f in zip(shapes, fan, strict=True)],
        [np.zeros(n, np.float32) for n in (*(o for _, o, _ in CHANNELS), HIDDEN, 10)],
    )
    images, labels = (part[:1297] for part in data())
    parameters = [*m.w, *m.b]
    first, second = ([np.zeros_like(p) for p in parameters] for _ in range(2))
    steps = 0
    for _ in range(epochs):
        order = rng.permutation(len(images))
        for at in range(0, len(order) - 63, 64):
            steps += 1
            chosen = order[at : at + 64]
            gw, gb = _step(m, images[chosen], labels[chosen])
            for p, g, a, b in zip(parameters, [*gw, *gb], first, second, strict=True):
                a += 0.1 * (g - a)
                b += 0.001 * (g * g - b)
                p -= 0.003 * (a / (1 - 0.9**steps)) / (np.sqrt(b / (1 - 0.999**steps)) + 1e-8)
    return m


@cache
def kept() -> Weights:
    """The trained network, in half precision on the disk."""
    with np.load(KEPT) as held:
        numbers = [held[f"a{at}"].astype(np.float32) for at in range(len(held.files))]
    return Weights(numbers[: len(numbers) // 2], numbers[len(numbers) // 2 :])


def _with_outliers(m: Weights) -> Weights:
    """The same function, with channels that are much larger than the others of their activation."""
    w, b = [one.copy() for one in m.w], [one.copy() for one in m.b]
    for at, factor in OUTLIERS.items():
        if at < 6:
            w[at][:2] *= factor
            b[at][:2] *= factor
            if at == 5:  # what is flattened: each channel has four values
                w[6][:8] /= factor
            else:
                w[at + 1][:, :2] /= factor
        else:
            w[at][:, :2] *= factor
            b[at][:2] *= factor
            w[at + 1][:2] /= factor
    return Weights(w, b)


def model() -> onnx.ModelProto:
    """The network as ONNX, opset 13, with an open batch: input `image`, output `logits`."""
    m = _with_outliers(kept())
    nodes: list[onnx.NodeProto] = []
    tensors: list[onnx.TensorProto] = []

    def constant(name: str, value: Array) -> str:
        tensors.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    x = "image"
    for at, (_, _, stride) in enumerate(CHANNELS):
        inputs = [x, constant(f"conv{at}.w", m.w[at]), constant(f"conv{at}.b", m.b[at])]
        nodes.append(
            helper.make_node("Conv", inputs, [f"c{at}"], f"/conv{at}/Conv", pads=[1] * 4, strides=[stride] * 2)
        )
        nodes.append(helper.make_node("Relu", [f"c{at}"], [f"r{at}"], f"/relu{at}/Relu"))
        x = f"r{at}"
    nodes.append(helper.make_node("Flatten", [x], ["flat"], "/Flatten", axis=1))
    inputs = ["flat", constant("fc0.w", m.w[6].T), constant("fc0.b", m.b[6])]
    nodes.append(helper.make_node("Gemm", inputs, ["g"], "/fc0/Gemm", transB=1))
    nodes.append(helper.make_node("Relu", ["g"], ["h"], "/relu6/Relu"))
    nodes.append(helper.make_node("MatMul", ["h", constant("fc1.w", m.w[7])], ["p"], "/fc1/MatMul"))
    nodes.append(helper.make_node("Add", ["p", constant("fc1.b", m.b[7])], ["logits"], "/fc1/Add"))
    graph = helper.make_graph(
        nodes,
        "digits",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["N", 1, 8, 8])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["N", 10])],
        tensors,
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.checker.check_model(made)
    return made


METRIC = """\
def accuracy(outputs_fp32, outputs, inputs):
    return float((outputs["logits"].argmax(1) == inputs["labels"]).mean())


def likelihood(outputs_fp32, outputs, inputs):
    import numpy as np

    logits = outputs["logits"].astype("float64")
    top = logits.max(1, keepdims=True)
    log = logits - top - np.log(np.exp(logits - top).sum(1, keepdims=True))
    return float(log[np.arange(len(log)), inputs["labels"]].mean())
"""


def write(folder: Path, samples: int = 500) -> tuple[Path, Path, Path]:
    """The network, its test images with labels, and a file of metrics."""
    images, labels = (part[1297 : 1297 + samples] for part in data())
    network, npz, metric = folder / "digits.onnx", folder / "digits.npz", folder / "metric.py"
    onnx.save(model(), str(network))
    np.savez(npz, image=images, labels=labels)
    metric.write_text(METRIC, encoding="utf-8")
    return network, npz, metric


if __name__ == "__main__":
    m = trained()
    np.savez_compressed(KEPT, **{f"a{at}": one.astype(np.float16) for at, one in enumerate([*m.w, *m.b])})  # type: ignore[arg-type]
