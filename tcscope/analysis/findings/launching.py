"""GPUs that wait for their launches: there faster kernels change nothing."""

from __future__ import annotations

from collections.abc import Iterator

from tcscope.analysis.findings.remedies import REMEDIES
from tcscope.model import Finding, Level, Report
from tcscope.wording import duration, percent

# The FP32 engine of the ResNet-18 captures, whose kernels outlast their launches, idles for 3 % of its spans; its FP16
# engine for 19 %, its INT8 engine for 41 %.
IDLE = 0.15


def find(report: Report) -> Iterator[Finding]:
    """Whether the GPU idles for long between the kernels of an inference."""
    iterations = report.iterations
    if (
        iterations is None
        or not iterations.count
        or not iterations.span_ns
        or iterations.idle_ns < IDLE * iterations.span_ns
    ):
        return
    idle, span = iterations.idle_ns / iterations.count, iterations.span_ns / iterations.count
    share = percent(iterations.idle_ns / iterations.span_ns)
    waits = f"of the {duration(span)} from an inference's first kernel to its last none runs for {duration(idle)}"
    said = f"the GPU waits for launches: {waits} ({share} %); faster kernels hardly shorten it"
    in_graphs = report.layering is not None and report.layering.graph_ns > 0
    hint = REMEDIES["launch-bound/graph" if in_graphs else "launch-bound"]
    yield Finding("launch-bound", Level.WARNING, iterations.idle_ns, said, hint)
