"""What a trace holds and lacks: the answer of `tcscope info`."""

from __future__ import annotations

from dataclasses import dataclass

from tcscope.model.report import Finding, TraceInfo


@dataclass(frozen=True, slots=True)
class RangeCount:
    """A name of NVTX ranges, how many ranges have it, and their time on the CPU in ns."""

    name: str
    instances: int
    ns: int


@dataclass(frozen=True, slots=True)
class Inventory:
    """What was recorded. Counts are rows of the trace; `span_ns` reaches from the first launch's start to the last end.

    `graph_mode` is how CUDA graphs were traced ('node', 'graph', '' where the trace doesn't say), `sampled_hz` the rate
    of GPU metrics, None without them. `missing` says what is not there and how to capture it.
    """

    trace: TraceInfo
    launches: int
    kernels: int
    span_ns: int
    streams: int
    launch_calls: int
    copies: int
    sets: int
    graph_mode: str
    graph_launches: int
    domains: tuple[str, ...]
    ranges: tuple[RangeCount, ...]
    sampled_hz: float | None
    sampled_metrics: int
    tables: tuple[tuple[str, int], ...]
    missing: tuple[Finding, ...] = ()
