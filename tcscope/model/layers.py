"""Layers of a network, and what ran for each."""

from __future__ import annotations

from dataclasses import dataclass, field

from tcscope.model.codec import OMITTED
from tcscope.model.measured import Measured
from tcscope.model.words import Dtype, Op, Precision, Unit


@dataclass(frozen=True, slots=True)
class Tensor:
    """An input or output of a layer. `layout` is what its format says beside the type (`CHW32`, `HWC8`, `linear`)."""

    name: str
    dtype: Dtype | None = None
    layout: str = ""
    dims: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class LayerKernel:
    """What one kernel ran for one layer."""

    name: str
    unit: Unit
    precision: Precision
    op: Op
    launches: int
    ns: int


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer of the network, or one NVTX range, with the kernels that ran for it, longest first.

    `unit`, `precision` and `op` are those of its longest matrix kernel or, without one, of its longest kernel. `type`,
    `tactic`, `origin`, `nodes` (of the ONNX graph) and tensors are known from TensorRT's layer JSON alone.
    """

    name: str
    type: str = ""
    unit: Unit = Unit.UNKNOWN
    precision: Precision = Precision.UNKNOWN
    launches: int = 0
    ns: int = 0
    kernels: tuple[LayerKernel, ...] = ()
    nodes: tuple[str, ...] = ()
    op: Op = Op.UNKNOWN
    tactic: str = ""
    origin: str = ""
    inputs: tuple[Tensor, ...] = ()
    outputs: tuple[Tensor, ...] = ()
    measured: Measured | None = field(default=None, metadata=OMITTED)


@dataclass(frozen=True, slots=True)
class Layering:
    """How launches came to layers. `level` is `layer` (TensorRT's), `range` (NVTX ranges) or `tactic` (by name, order).

    `outside` is what no layer claims. `graph_ns` is the time of kernels launched by CUDA graphs, whose layers the trace
    hides; `unplaced_ns` that of kernels without a launch call. Both are part of the sums of layers and outside, as is
    `joined_ns`: the time that came to its layer by the names of tactics and the order of launches, not by a range.
    """

    level: str
    outside: tuple[LayerKernel, ...] = ()
    outside_ns: int = 0
    graph_ns: int = 0
    unplaced_ns: int = 0
    joined_ns: int = 0
