"""What sampled GPU metrics say of a kernel: how busy it kept the units of the GPU. All values in percent, 0..100."""

from __future__ import annotations

from dataclasses import dataclass, field

from tcscope.model.codec import OMITTED


@dataclass(frozen=True, slots=True)
class Estimate:
    """A value in percent with its 95 % confidence interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Shape:
    """The launch on which a kernel spent most time.

    `blocks_per_sm` fit on an SM at once, by its warps, registers and shared memory; `waves` is how many times the GPU
    must be filled to run all blocks, None where its SMs are not known.
    """

    grid: tuple[int, ...]
    block: tuple[int, ...]
    blocks_per_sm: int
    waves: float | None = None


@dataclass(frozen=True, slots=True)
class Measured:
    """Averages over the time in which one kernel, or one layer, ran; None for a metric that the trace doesn't sample.

    `windows` is the number of sample windows in which it ran. Where `identifiable` is False the values mean little:
    it ran too little, or always beside the same others. `shape` is there for kernels that leave Tensor Cores idle.
    """

    tensor_active: Estimate | None = None
    sm_issue: Estimate | None = None
    dram_read: Estimate | None = None
    dram_write: Estimate | None = None
    windows: int = 0
    identifiable: bool = False
    shape: Shape | None = field(default=None, metadata=OMITTED)


@dataclass(frozen=True, slots=True)
class Measurement:
    """How samples were taken apart: `r2` of the fit of Tensor Active, and the samples' clock beside the kernels'.

    `windows` are those in which a kernel ran. A sample of time t tells of the kernels' time t + `offset_ns` until a
    period later; `drift_ppm` is how much the offset grows with time. `mean_sampled` and `mean_explained` are the mean
    Tensor Active of the windows, and what the kernels' values add up to; `mean_idle` is that of windows in which the
    trace shows nothing; `dropped` values were negative or absurd. `lag_ns` is how far the ends of a kernel's activity
    typically lie off its own. Of several GPUs these are the worst fit's, but `windows` and `dropped`, which are sums.
    `tensor_active` is the mean over the report's kernel time.
    """

    r2: float
    offset_ns: int
    period_ns: int
    windows: int
    drift_ppm: float = 0.0
    mean_sampled: float = 0.0
    mean_explained: float = 0.0
    mean_idle: float = 0.0
    dropped: int = 0
    lag_ns: int = 0
    tensor_active: Estimate | None = None
