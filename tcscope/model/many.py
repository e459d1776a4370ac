"""Many traces at once: ranks, nodes or repeated runs side by side (`tcscope.set/1`). Times in ns, shares 0..1."""

from __future__ import annotations

from dataclasses import dataclass

from tcscope.model.document import Document
from tcscope.model.report import Breakdown, Finding, TensorShare, Totals
from tcscope.model.trace import Device, Selection
from tcscope.model.words import Evidence, Op, Precision, Unit

SET_SCHEMA = "tcscope.set/1"


@dataclass(frozen=True, slots=True)
class Spread:
    """One number over the traces that have it: a time in ns, a count, or a share 0..1.

    `stdev` is the sample's (n - 1), None of fewer than two; `cv` is stdev / mean, None also where the mean is 0.
    """

    count: int
    mean: float
    median: float
    min: float
    max: float
    stdev: float | None = None
    cv: float | None = None


@dataclass(frozen=True, slots=True)
class Member:
    """One trace of a set: what its own report begins with, or why there is none (`error`, else '').

    `file` is the file's name, with as much of its folder as sets it apart from the others. `peers` is an index into
    `TraceSet.peers`, `to_median` by which part its kernel time is above (or below) their median.
    """

    file: str
    captured: str = ""
    devices: tuple[Device, ...] = ()
    selection: Selection | None = None
    totals: Totals | None = None
    tensor_share: TensorShare | None = None
    breakdown: tuple[Breakdown, ...] = ()
    peers: int | None = None
    to_median: float | None = None
    error: str = ""
    hint: str = ""


@dataclass(frozen=True, slots=True)
class KernelSpread:
    """A kernel that all traces among peers ran: its time in each, summed there over its launches.

    `least` and `most` are the traces with the shortest and the longest, as indices into `TraceSet.traces`.
    """

    name: str
    unit: Unit
    precision: Precision
    op: Op
    mean_ns: float
    min_ns: int
    max_ns: int
    least: int
    most: int
    cue: str = ""


@dataclass(frozen=True, slots=True)
class PartialKernel:
    """A kernel that only some traces among peers ran: `traces` did, `missing` did not. `ns` is the sum of all."""

    name: str
    unit: Unit
    precision: Precision
    op: Op
    launches: int
    ns: int
    traces: tuple[int, ...]
    missing: tuple[int, ...]
    cue: str = ""


@dataclass(frozen=True, slots=True)
class Peers:
    """Traces whose times may be compared: recorded of one kind of GPU, and of one selection.

    `traces` are indices into `TraceSet.traces`; `slowest` is the one with most kernel time, None where all have the
    same. The ends of the Tensor Core bracket are spread apart; None where no trace has a share. `busy_ns` is there
    where all traces know it. `kernels` are sorted by max - min, longest first, `partial` by time.
    """

    devices: tuple[Device, ...]
    selection: Selection
    traces: tuple[int, ...]
    kernel_ns: Spread
    launches: Spread
    share_low: Spread | None = None
    share_high: Spread | None = None
    busy_ns: Spread | None = None
    slowest: int | None = None
    kernels: tuple[KernelSpread, ...] = ()
    partial: tuple[PartialKernel, ...] = ()


@dataclass(frozen=True, slots=True)
class Variant:
    """One verdict on a kernel, the traces in which it holds, and the kernel's time with it there."""

    unit: Unit
    precision: Precision
    rule: str | None
    evidence: Evidence
    launches: int
    ns: int
    traces: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class MixedKernel:
    """A kernel whose unit or precision isn't the same in all traces that ran it; `ns` is the sum of all."""

    name: str
    op: Op
    ns: int
    variants: tuple[Variant, ...]
    cue: str = ""


@dataclass(frozen=True, slots=True)
class TraceSet(Document):
    """Traces side by side, in the order in which they were given. Nothing is pooled over GPUs of different kinds.

    `mixed` is sorted by time, longest first.
    """

    traces: tuple[Member, ...]
    peers: tuple[Peers, ...] = ()
    mixed: tuple[MixedKernel, ...] = ()
    findings: tuple[Finding, ...] = ()
    schema: str = SET_SCHEMA

    @property
    def answered(self) -> int:
        """How many of the traces could be read."""
        return sum(not member.error for member in self.traces)
