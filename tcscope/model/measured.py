"""What sampled GPU metrics say of a kernel: how busy it kept the units of the GPU. All values in percent, 0..100."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Estimate:
    """A value in percent with its 95 % confidence interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Measured:
    """Averages over the time in which one kernel, or one layer, ran; None for a metric that the trace doesn't sample.

    `windows` is the number of sample windows in which it ran. Where `identifiable` is False the values mean little:
    it ran too little, or always beside the same others.
    """

    tensor_active: Estimate | None = None
    sm_issue: Estimate | None = None
    dram_read: Estimate | None = None
    dram_write: Estimate | None = None
    windows: int = 0
    identifiable: bool = False


@dataclass(frozen=True, slots=True)
class Measurement:
    """How samples were taken apart: `r2` of the fit of Tensor Active, and the samples' clock beside the kernels'."""

    r2: float
    offset_ns: int
    period_ns: int
    windows: int
