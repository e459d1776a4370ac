"""The difference of two reports: one dataclass tree, field for field its JSON (`tcscope.diff/1`). Times in ns."""

from __future__ import annotations

from dataclasses import dataclass, field

from tcscope.model.codec import OMITTED
from tcscope.model.document import Document
from tcscope.model.layers import LayerKernel
from tcscope.model.report import Finding, TensorShare, TraceInfo
from tcscope.model.words import Dtype, Op, Precision, Unit, Word

DIFF_SCHEMA = "tcscope.diff/1"


class Cause(Word):
    """Why the time of a layer changed; `meaning` says each in a line."""

    LEFT_TENSOR_CORES = "left-tensor-cores"
    JOINED_TENSOR_CORES = "joined-tensor-cores"
    FUSION_MERGED = "fusion-merged"
    FUSION_SPLIT = "fusion-split"
    PRECISION_CHANGED = "precision-changed"
    OTHER_TACTIC = "other-tactic"
    SAME_KERNEL = "same-kernel"
    REFORMAT_ADDED = "reformat-added"
    REFORMAT_GONE = "reformat-gone"
    GLUE_ADDED = "glue-added"
    GLUE_GONE = "glue-gone"
    NOT_MATCHED = "not-matched"

    @property
    def meaning(self) -> str:
        """What the word says, in a line."""
        return _MEANINGS[self]


_MEANINGS = {
    Cause.LEFT_TENSOR_CORES: "Tensor Cores before, CUDA cores now",
    Cause.JOINED_TENSOR_CORES: "CUDA cores before, Tensor Cores now",
    Cause.FUSION_MERGED: "several layers became one",
    Cause.FUSION_SPLIT: "one layer became several",
    Cause.PRECISION_CHANGED: "works on another element type",
    Cause.OTHER_TACTIC: "another kernel for the same work",
    Cause.SAME_KERNEL: "same kernel, in more or less time",
    Cause.REFORMAT_ADDED: "reformat or quantize, new",
    Cause.REFORMAT_GONE: "reformat or quantize, gone",
    Cause.GLUE_ADDED: "copies and padding, new",
    Cause.GLUE_GONE: "copies and padding, gone",
    Cause.NOT_MATCHED: "found on one side alone",
}


class Kind(Word):
    """What a layer is for: it computes, it changes a tensor's type or layout, or it moves data about."""

    COMPUTE = "compute"
    REFORMAT = "reformat"
    GLUE = "glue"


@dataclass(frozen=True, slots=True)
class Subject:
    """One side of a diff: the trace, the number of its inferences (None where it isn't known), their NVTX range."""

    trace: TraceInfo
    inferences: int | None = None
    range: str = ""


@dataclass(frozen=True, slots=True)
class Sums:
    """One side summed, per inference or over the whole trace (`Diff.per`).

    `wall_ns` and `idle_ns` are None where no range encloses an inference. `reformat_ns` is the part of `kernel_ns` in
    reformat and quantize layers, `glue_ns` that in copies and padding, inside layers or as layers of their own.
    """

    kernel_ns: int
    launches: int
    wall_ns: int | None = None
    idle_ns: int | None = None
    reformat_ns: int = 0
    glue_ns: int = 0
    tensor_share: TensorShare = field(default_factory=TensorShare)


@dataclass(frozen=True, slots=True)
class DiffTotals:
    """Both sides summed; `delta_ns` is the change of the kernel time."""

    base: Sums
    new: Sums
    delta_ns: int


@dataclass(frozen=True, slots=True)
class CauseSum:
    """What one cause explains, and in how many layers (or kernels). `most_ns` is the part of the one it moved most.

    Of parts of both signs, `most_ns` is the largest of the sign of `ns`.
    """

    cause: Cause
    ns: int
    layers: int
    most_ns: int = 0


@dataclass(frozen=True, slots=True)
class Part:
    """The part of a layer's change that one cause explains."""

    cause: Cause
    ns: int


@dataclass(frozen=True, slots=True)
class ChangeSide:
    """A layer on one side, or the layers that were fused or split: `names`, in the order in which they ran.

    `each_ns` are the times of those, which sum to `ns`. Unit, precision and op are those of its main kernel. `src` and
    `dst` are the element types a reformat reads and writes, or those of any other layer's first input and output, where
    known.
    """

    names: tuple[str, ...]
    each_ns: tuple[int, ...]
    ns: int
    launches: int
    unit: Unit = Unit.UNKNOWN
    precision: Precision = Precision.UNKNOWN
    op: Op = Op.UNKNOWN
    src: Dtype | None = None
    dst: Dtype | None = None
    kernels: tuple[LayerKernel, ...] = ()


@dataclass(frozen=True, slots=True)
class Change:
    """One layer (or kernel, see `Diff.by`) before and after; a side is None where it is not there.

    `parts` sum to `delta_ns`; `cause` is that of the part with most time. `matched` says how the sides were found to be
    one: `name`, `nodes` (of the ONNX graph), `order`, `target` (of a reformat), `op`, or nothing. `share` is `delta_ns`
    over the kernel time of the base. `place` numbers layers in the order in which they run, those of both sides in one.
    """

    name: str
    base: ChangeSide | None
    new: ChangeSide | None
    delta_ns: int
    cause: Cause
    kind: Kind = Kind.COMPUTE
    parts: tuple[Part, ...] = ()
    matched: str = ""
    share: float = 0.0
    place: int | None = field(default=None, metadata=OMITTED)


@dataclass(frozen=True, slots=True)
class Diff(Document):
    """What moved between two reports, and why.

    `per` is `inference` where both sides know their inferences, else `trace`; `by` is `layer` where both have layers,
    else `kernel`. The causes, and the layers' deltas, sum to `totals.delta_ns` exactly. Both are ordered worst first:
    what got slower by most, then, after the last slower one, what got faster by most. A cause counts there by the layer
    that it moved most: one layer that lost the Tensor Cores comes before a dozen reformats of a few us each.
    """

    base: Subject
    new: Subject
    totals: DiffTotals
    causes: tuple[CauseSum, ...] = ()
    layers: tuple[Change, ...] = ()
    findings: tuple[Finding, ...] = ()
    per: str = "trace"
    by: str = "kernel"
    schema: str = DIFF_SCHEMA
