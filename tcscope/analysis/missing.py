"""What a trace lacks for the questions that tcscope answers, and how to capture it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from tcscope.errors import TraceError
from tcscope.model import Finding, Level
from tcscope.model.inventory import Inventory
from tcscope.sources.nsys import NsysTrace
from tcscope.wording import count

_PROFILE = "nsys profile -t cuda,nvtx --cuda-graph-trace=node"


def inventory(trace: NsysTrace) -> Inventory:
    """What the trace holds, and what it lacks."""
    held = trace.inventory()
    try:
        trace.demand_kernels()
        missing = tuple(_lacking(held))
    except TraceError as error:
        missing = (Finding("no-kernels", Level.ERROR, 0, error.message, error.hint),)
    return replace(held, missing=missing)


def _lacking(held: Inventory) -> Iterator[Finding]:
    if held.graph_launches:
        graphs = count(held.graph_launches, "CUDA graph launch")
        yield Finding(
            "opaque-graphs",
            Level.WARNING,
            0,
            f"{graphs} were traced as a whole: their kernels are not in the trace",
            f"{_PROFILE} COMMAND",
        )
    if all(device.sm is None for device in held.trace.devices):
        yield Finding(
            "unknown-architecture",
            Level.WARNING,
            0,
            "no GPU is described" if not held.trace.devices else "the GPU's architecture is not recorded",
            "tcscope analyze TRACE --sm 87  # its capability",
        )
    if not held.launch_calls:
        yield Finding(
            "no-launch-calls",
            Level.NOTE,
            0,
            "no launch calls: kernels can't be placed in NVTX ranges",
            f"{_PROFILE} COMMAND",
        )
    if not held.ranges:
        yield Finding("no-ranges", Level.NOTE, 0, "no NVTX ranges: --range has nothing to take", f"{_PROFILE} COMMAND")
    if not held.sampled_metrics:
        yield Finding(
            "no-gpu-metrics",
            Level.NOTE,
            0,
            "no sampled GPU metrics: Tensor activity can't be measured",
            f"{_PROFILE} --gpu-metrics-devices=all COMMAND  # 2023 and older: --gpu-metrics-device=all",
        )
