"""What a layer's name says: the ONNX nodes fused in it, what it is for, which layer a reformat serves."""

from __future__ import annotations

import re
from collections.abc import Iterable

from tcscope.model import Kind, Layer, Op

_REFORMAT = re.compile(r"^Reformatting CopyNode for (?P<end>Input|Output) Tensor (?P<number>\d+) to (?P<layer>.+)$")
_QUANTIZE = re.compile(r"(?:^|[/_.])(?:De)?[qQ]uantizeLinear(?:$|_)")
# Copies that TensorRT makes of constants and shapes; padded biases appear as kernels inside convolution layers.
_GLUE_LAYER = re.compile(r"^(?:Identity_\d+|copied_\w+|(?:un)?squeeze_\w+)")
_GLUE_KERNEL = re.compile(r"\bpad\w*Weights\b")
_WEIGHT = re.compile(
    r"\.(?:weight|bias)$|^\(Unnamed Layer|^(?:un)?squeeze_node_after_|^onnx::\w+$|^reshape_(?:after|before)_"
)
_FOREIGN = re.compile(r"^\{ForeignNode\[(.*)\]\}$")
_NUMBERED = re.compile(r"^(?P<op>[A-Z]\w*?)_\d+$")
_PROFILE = re.compile(r" \[profile \d+\]$")

MATRIX_NODES = frozenset({"Conv", "ConvTranspose", "Gemm", "MatMul", "Einsum"})


def nodes_of(layer: Layer) -> tuple[str, ...]:
    """The ONNX nodes of a layer, in order, without weights and without Quantize/DequantizeLinear."""
    if reformat_target(layer.name):
        return ()
    found = []
    for text in layer.nodes or _PROFILE.sub("", layer.name).replace(" || ", " + ").split(" + "):
        for piece in _unwrapped(text):
            if piece and not _WEIGHT.search(piece) and not _QUANTIZE.search(piece):
                found.append(piece)
    return tuple(found)


def _unwrapped(text: str) -> list[str]:
    """The nodes in TensorRT's point-wise fusion `PWN(PWN(a), b)` or Myelin's `{ForeignNode[a...b]}`."""
    if "PWN(" in text:
        return [piece.strip().rstrip(")") for piece in text.replace("PWN(", "").split(", ")]
    match = _FOREIGN.match(text.strip())
    return match.group(1).split("...") if match else [text.strip()]


def node_op(node: str) -> str:
    """The ONNX operator of a node: `Conv` of `/layer1/conv2/Conv`, of `Conv_9` and of `/conv/Conv_1`."""
    last = node.rsplit("/", 1)[-1]
    match = _NUMBERED.match(last)
    return match["op"] if match else last


def is_numbered(node: str) -> bool:
    """Whether a node has no name of its own, only the number that an export gave it (`Conv_9`)."""
    return "/" not in node and _NUMBERED.match(node) is not None


def numbered(name: str) -> tuple[str, ...]:
    """The words of a name that are only an operator and a number; TensorRT's own `Identity_4` is not one."""
    return tuple(word for word in re.split(r"[ ,()]+", name) if is_numbered(word) and not _GLUE_LAYER.match(word))


def numbers_agree(base: Iterable[str], new: Iterable[str]) -> bool:
    """Whether two exports number their nodes alike: at least half of the fewer numbered nodes are on both sides.

    A quantized export counts its Q/DQ nodes too, so that `Conv_9` there is `Conv_0` here and `Conv_22` another layer.
    """
    left, right = ({word for name in names for word in numbered(name)} for names in (base, new))
    return not left or not right or 2 * len(left & right) >= min(len(left), len(right))


def reformat_target(name: str) -> tuple[str, str, str] | None:
    """Of `Reformatting CopyNode for Input Tensor 0 to X`: X, `Input` and `0`."""
    match = _REFORMAT.match(_PROFILE.sub("", name))
    return (match["layer"], match["end"], match["number"]) if match else None


def kind_of_layer(layer: Layer) -> Kind:
    """What a layer is for. Its name decides before its type: TensorRT types a copied constant `Reformat` as well."""
    if _GLUE_LAYER.match(layer.name):
        return Kind.GLUE
    if reformat_target(layer.name) or layer.origin in ("REFORMAT", "QDQ") or layer.type == "Reformat":
        return Kind.REFORMAT
    if _QUANTIZE.search(layer.name) and not nodes_of(layer):
        return Kind.REFORMAT
    return kind_of_kernel(layer.name, layer.op)


def kind_of_kernel(name: str, op: Op) -> Kind:
    """What a kernel is for. Padding weights is data movement, although it changes a layout."""
    if op is Op.COPY or _GLUE_KERNEL.search(name):
        return Kind.GLUE
    return Kind.REFORMAT if op is Op.REFORMAT else Kind.COMPUTE
