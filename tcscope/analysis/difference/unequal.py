"""What makes the sides of a diff unequal, so that a reader doesn't take it for a change of the engine."""

from __future__ import annotations

from collections.abc import Iterator

from tcscope.analysis.difference.sides import has_layers
from tcscope.analysis.findings.remedies import REMEDIES
from tcscope.model import Diff, Finding, Level, Report
from tcscope.wording import count, duration


def find(diff: Diff, base: Report, new: Report) -> Iterator[Finding]:
    """Other GPUs, tools, ranges and counts; what is compared whole, by kernel, or not at all."""
    yield from _unequal(base, new)
    yield from _whole(diff, base, new)
    yield from _opaque(base, new)
    yield from _no_layers(diff, base, new)
    yield from _outside_inferences(base, new)


def _unequal(base: Report, new: Report) -> Iterator[Finding]:
    gpus = [_gpus(report) for report in (base, new)]
    if all(gpus) and gpus[0] != gpus[1]:
        yield _note(
            "other-gpu", f"different GPUs: {', '.join(gpus[0])} before, {', '.join(gpus[1])} now", Level.WARNING
        )
    profiled = [report.trace.tool == "trtexec" for report in (base, new)]
    ranges = [report.iterations.name if report.iterations else None for report in (base, new)]
    if profiled[0] != profiled[1]:
        said = "trtexec's profile times layers with their launches, a trace kernels alone: compare two of one kind"
        yield _note("other-tool", said, Level.WARNING)
    elif None not in ranges and ranges[0] != ranges[1]:
        yield _note("other-range", f"an inference is range '{ranges[0]}' before, range '{ranges[1]}' now", Level.NOTE)
    if ranges == [None, None] and base.trace.selection != new.trace.selection:
        yield _note("other-selection", "other launches were selected before than now", Level.WARNING)
    counts = [report.iterations.count if report.iterations else 0 for report in (base, new)]
    if all(counts) and counts[0] != counts[1]:
        yield _note("other-count", f"means over {counts[0]:,} inferences before, over {counts[1]:,} now", Level.NOTE)


def _gpus(report: Report) -> list[str]:
    """What is known of the GPUs of a side."""
    names = {device.name or (f"sm_{device.sm}" if device.sm else "") for device in report.trace.devices}
    return sorted(names - {""})


def _whole(diff: Diff, base: Report, new: Report) -> Iterator[Finding]:
    if diff.per == "trace":
        lacking = list(dict.fromkeys(report.trace.file for report in (base, new) if report.iterations is None))
        yield Finding(
            "whole-traces",
            Level.WARNING,
            0,
            f"whole traces are compared: in {' and '.join(lacking)} no inferences are marked, and the side that holds"
            " more of them looks slower",
            "tcscope diff BASE NEW --range NAME  # an NVTX range around each inference",
        )


def _opaque(base: Report, new: Report) -> Iterator[Finding]:
    for report in (base, new):
        totals = report.totals
        if totals.graph_launches:
            yield Finding(
                "opaque-graphs",
                Level.WARNING,
                totals.graph_ns,
                f"{count(totals.graph_launches, 'CUDA graph launch')} of {report.trace.file}, of "
                f"{duration(totals.graph_ns)}, were traced as a whole and are in no number here",
                REMEDIES["opaque-graphs"],
            )


def _no_layers(diff: Diff, base: Report, new: Report) -> Iterator[Finding]:
    lacking = [report for report in (base, new) if not has_layers(report)]
    if diff.by == "layer" or len(lacking) == 2:
        return
    hint = "nsys profile -t cuda,nvtx --cuda-graph-trace=node COMMAND  # build with --profilingVerbosity=detailed"
    if lacking[0].layering is None:  # a saved report that was made without them
        hint = "tcscope analyze TRACE --by layer -o report.json  # saves a report with its layers"
    said = f"{lacking[0].trace.file} has no layers: both sides are compared by kernel"
    yield Finding("no-layers", Level.NOTE, 0, said, hint)


def _outside_inferences(base: Report, new: Report) -> Iterator[Finding]:
    for report in (base, new):
        found = report.iterations
        if found and found.kernel_ns and found.kernel_ns < report.totals.kernel_ns:
            ns = report.totals.kernel_ns - found.kernel_ns
            yield Finding(
                "outside-inferences",
                Level.WARNING,
                ns,
                f"{duration(ns)} of {report.trace.file} ran outside its inferences and is counted in them",
                f"tcscope analyze TRACE --by layer --range '{found.name}' -o report.json",
            )


def _note(code: str, message: str, level: Level) -> Finding:
    return Finding(code, level, 0, message)
