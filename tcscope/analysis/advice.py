"""Which INT8 layers to leave in FP16, and how to tell TensorRT or a quantizer so."""

from __future__ import annotations

import re
import shlex
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase

from tcscope.analysis.findings.evidence import allows_fp16, network_layers
from tcscope.analysis.findings.int8 import FEW_CHANNELS, channels, deconvolutions, depthwise, on_cuda_cores
from tcscope.errors import TraceError
from tcscope.model import Layer, Op, Precision, Reason, Report, Unit

_WRAPPER = re.compile(r"^PWN\((.*)\)$", re.DOTALL)  # TensorRT's point-wise fusion
_NOT_A_LAYER = re.compile(r"(?:Quantize|Dequantize)Linear(?:_\d+)?$|\.(?:weight|bias)$|^\{?ForeignNode\[")


@dataclass(frozen=True, slots=True)
class Keep:
    """A layer that is better left in FP16: its time, why, and the layers of the network that were fused into it."""

    layer: str
    ns: int
    why: str
    nodes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Advice:
    """The layers to leave in FP16, most time first.

    `nodes` are the network's layers in them, as a Q/DQ tool takes them. `arguments` are trtexec's, quoted for a shell;
    `unnamed` are the nodes that they can't name. With `has_qdq` the network carries Q/DQ nodes, which alone decide what
    is INT8: then trtexec's arguments change nothing.
    """

    keep: tuple[Keep, ...]
    nodes: tuple[str, ...]
    arguments: str
    unnamed: tuple[str, ...]
    has_qdq: bool


def keep_fp16(report: Report) -> Advice:
    """The advice for a report with layers. Raises TraceError where INT8 ran, but in which layers is unknown."""
    if not network_layers(report) and any(k.precision is Precision.INT8 for k in report.kernels):
        raise TraceError(
            f"{report.trace.file} doesn't say which layers its INT8 kernels belong to",
            "capture with `nsys profile -t cuda,nvtx`, or give TensorRT's layer file: --layers layers.json",
        )
    keep = tuple(sorted(_kept(report), key=lambda kept: -kept.ns))
    nodes = tuple(dict.fromkeys(node for kept in keep for node in kept.nodes))
    others = [node for layer in network_layers(report) for node in network_nodes(layer) if node not in nodes]
    patterns = {node: layer_pattern(node, others) for node in nodes}
    named = [pattern for pattern in dict.fromkeys(patterns.values()) if pattern]
    arguments = ""
    if named:
        spec = shlex.quote(",".join(f"{pattern}:fp16" for pattern in named))
        allow = "" if allows_fp16(report) else "--fp16 "
        arguments = f"{allow}--precisionConstraints=prefer --layerPrecisions={spec}"
    unnamed = tuple(node for node, pattern in patterns.items() if not pattern)
    return Advice(keep, nodes, arguments, unnamed, any(row.reason is Reason.QDQ for row in report.reformats))


def network_nodes(layer: Layer) -> tuple[str, ...]:
    """The layers of the network that TensorRT fused into one: those that its file names, or the parts of its name."""
    parts = layer.nodes or layer.name.split(" + ")
    bare = [name for part in parts for name in _unwrapped(part)]
    return tuple(dict.fromkeys(name for name in bare if name and not _NOT_A_LAYER.search(name)))


def _kept(report: Report) -> Iterator[Keep]:
    transposed = {layer.name for layer in deconvolutions(report)}
    deep = {layer.name for layer in depthwise(report)}
    cost = _reformat_ns(report)
    for layer in network_layers(report):
        why = ""
        if layer.name in transposed:
            why = "INT8 transposed convolution on CUDA cores"
        elif layer.name in deep:
            why = "INT8 depthwise convolution on CUDA cores"
        elif on_cuda_cores(layer):
            known = channels(layer)
            few = f", {known} input channels" if known is not None and known <= FEW_CHANNELS else ""
            why = f"INT8 {layer.op} on CUDA cores{few}"
        elif _is_int8(layer) and cost[layer.name] > layer.ns:
            # INT8 at best doubles the rate of FP16 and halves its bytes: it can't gain more than it takes itself
            why = "its reformats take longer than INT8 can gain"
        if why:
            yield Keep(layer.name, layer.ns, why, network_nodes(layer))


def _is_int8(layer: Layer) -> bool:
    return layer.unit is Unit.TENSOR_CORE and layer.precision is Precision.INT8 and layer.op in (Op.CONV, Op.GEMM)


def _reformat_ns(report: Report) -> dict[str, int]:
    """For each layer the time of the conversions beside it that are there for its type alone."""
    sums: dict[str, int] = defaultdict(int)
    for row in report.reformats:
        if row.reason is Reason.NEIGHBOUR and row.layout_only is False:
            alone = row.feeds if len(row.feeds) == 1 else ()
            for name in {*alone, row.leaves} - {""}:
                sums[name] += row.ns
    return sums


def _unwrapped(name: str) -> Iterator[str]:
    """The names in `PWN(PWN(a), b)`."""
    name = name.strip()
    match = _WRAPPER.match(name)
    if match is None:
        yield name
        return
    depth, begun, inner = 0, 0, match[1]
    for at, mark in enumerate(inner):
        depth += {"(": 1, ")": -1}.get(mark, 0)
        if not depth and inner.startswith(", ", at):
            yield from _unwrapped(inner[begun:at])
            begun = at + 2
    yield from _unwrapped(inner[begun:])


def layer_pattern(node: str, others: Iterable[str]) -> str:
    """A name as `--layerPrecisions` reads it; empty where it can't be told from those of other layers.

    trtexec (sampleOptions.cpp) splits at commas, drops single quotes and knows no escape; all before the last colon is
    the name. Newer ones take one `*` for any text, an exact name first, so that a `*` in a name does no harm.
    """
    awkward = [at for at, mark in enumerate(node) if mark in ",'"]
    if not awkward:
        return node
    head, tail = node[: awkward[0]], node[awkward[-1] + 1 :]
    if "*" in head + tail:
        return ""
    literal = [part.replace("[", "[[]").replace("?", "[?]") for part in (head, tail)]
    return "" if any(fnmatchcase(other, "*".join(literal)) for other in others) else f"{head}*{tail}"
