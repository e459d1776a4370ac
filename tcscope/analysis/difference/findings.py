"""What a reader of a diff should know: what hides a gain, and what to do about a loss. Times are per `Diff.per`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator

from tcscope.analysis.difference import unequal as compare_unequal
from tcscope.analysis.difference.names import nodes_of
from tcscope.analysis.difference.sides import glue_among
from tcscope.analysis.findings.int8 import FEW_CHANNELS, channels
from tcscope.analysis.findings.remedies import MATRIX, OTHER_MATRIX, REMEDIES
from tcscope.model import Cause, Change, Diff, Finding, Kind, Layer, Level, Precision, Report
from tcscope.rulebook.normalize import short_name
from tcscope.wording import count, duration, percent

_HIDDEN = 0.5  # an engine is launch-bound when an inference gains less than this part of what its kernels gained
_IDLE = 0.1  # ... and the GPU idles for more than this part of the inference
_EATEN = 0.25  # added reformats are a warning when they take back more than this part of what all the rest gained
_MUCH = 0.05  # ... and more than this part of the kernel time


def find(diff: Diff, base: Report, new: Report) -> tuple[Finding, ...]:
    """The findings of a diff, most serious first, then in this order."""
    found = [
        *_left(diff, new),
        *_launch_bound(diff, new),
        *_reformats(diff, new),
        *_glue(diff, new),
        *compare_unequal.find(diff, base, new),
    ]
    order = list(Level)
    return tuple(sorted(found, key=lambda finding: order.index(finding.level)))


def _left(diff: Diff, new: Report) -> Iterator[Finding]:
    changes = [change for change in diff.layers if Cause.LEFT_TENSOR_CORES in _causes(change)]
    if not changes:
        return
    ns = sum(part.ns for change in changes for part in change.parts if part.cause is Cause.LEFT_TENSOR_CORES)
    names = tuple(name for change in changes if change.new for name in change.new.names)
    layers = [layer for layer in new.layers if layer.name in names]
    noun = "layer" if diff.by == "layer" else "kernel group"
    yield Finding(
        "left-tensor-cores",
        Level.WARNING if ns > 0 else Level.NOTE,
        max(ns, 0),
        f"{count(len(changes), noun)} left the Tensor Cores: {_signed(ns)}{_each(diff)}{_thin(layers)}",
        _said_of(new, "int8-dp4a-stem", _remedy(changes)),
        layers=names,
    )


def _thin(layers: Iterable[Layer]) -> str:
    """Why, where it is known: for an image's 3 channels INT8 convolutions have dp4a kernels only."""
    for layer in layers:
        known = channels(layer)
        if layer.precision is Precision.INT8 and known is not None and known <= FEW_CHANNELS:
            nodes = nodes_of(layer) or (layer.name,)
            return f"; {nodes[0]} has {known} input channels, too few for INT8 Tensor Cores"
    return ""


def _remedy(changes: Iterable[Change]) -> str:
    """What to do, by the precision in which most of that time runs now."""
    times: dict[Precision, int] = defaultdict(int)
    for change in changes:
        if change.new:
            times[change.new.precision] += change.new.ns
    return MATRIX.get(max(times, key=lambda precision: times[precision]), OTHER_MATRIX)


def _said_of(new: Report, code: str, otherwise: str) -> str:
    """The remedy that the new side's own finding of this code gives, for it knows most; else another."""
    return next((finding.hint for finding in new.findings if finding.code == code and finding.hint), otherwise)


def _launch_bound(diff: Diff, report: Report) -> Iterator[Finding]:
    base, new = diff.totals.base, diff.totals.new
    if base.wall_ns is None or new.wall_ns is None or new.idle_ns is None:
        return
    kernels, wall = base.kernel_ns - new.kernel_ns, base.wall_ns - new.wall_ns
    if kernels <= 0 or wall > _HIDDEN * kernels or new.idle_ns <= _IDLE * new.wall_ns:
        return
    gained = f"only {duration(wall)}" if wall > 0 else "nothing" if wall == 0 else f"lost {duration(-wall)}"
    yield Finding(
        "launch-bound",
        Level.WARNING,
        kernels - wall,
        f"launch-bound: the kernels gained {duration(kernels)}, an inference {gained}: the GPU idles "
        f"{duration(new.idle_ns)} of {duration(new.wall_ns)}, waiting for launches",
        _said_of(report, "launch-bound", REMEDIES["launch-bound"]),
    )


def _reformats(diff: Diff, report: Report) -> Iterator[Finding]:
    """Reformats that were added, where they take a percent of the kernel time or more."""
    added = [change for change in diff.layers if change.cause is Cause.REFORMAT_ADDED and change.new]
    ns = sum(change.delta_ns for change in added)
    base, new = diff.totals.base, diff.totals.new
    if ns <= 0 or ns * 100 < new.kernel_ns:
        return
    gained = ns - diff.totals.delta_ns  # by all the rest
    quantize = [change for change in added if "Quantize" in change.name]
    told = f", {len(quantize)} of them Q/DQ nodes" if quantize else ""
    yield Finding(
        "reformats-added",
        Level.WARNING if ns > max(_EATEN * gained, _MUCH * new.kernel_ns) else Level.NOTE,
        ns,
        f"{count(len(added), 'reformat')} added{told}: {_signed(ns)}; all take {duration(new.reformat_ns)}"
        f"{_each(diff)}, {percent(new.reformat_ns / new.kernel_ns)} % of the kernel time"
        f" ({duration(base.reformat_ns)} before)",
        _said_of(report, "qdq-unfused", f"tcscope analyze {diff.new.trace.file} --by layer  # why each is there"),
        layers=tuple(change.name for change in added),
    )


def _glue(diff: Diff, report: Report) -> Iterator[Finding]:
    """Weights padded and constants copied in every inference: said where it grew and takes a percent or more."""
    added = [part.ns for change in diff.layers for part in change.parts if part.cause is Cause.GLUE_ADDED]
    base, new = diff.totals.base, diff.totals.new
    if sum(added) <= 0 or new.glue_ns * 100 < new.kernel_ns:
        return
    yield Finding(
        "glue",
        Level.NOTE,
        sum(added),
        f"copies and padding take {duration(new.glue_ns)}{_each(diff)}, {percent(new.glue_ns / new.kernel_ns)} % of"
        f" the kernel time ({duration(base.glue_ns)} before): {', '.join(_glue_by_name(diff))}",
        _said_of(report, "constant-reformat", REMEDIES["constant-reformat"]),
    )


def _glue_by_name(diff: Diff) -> Iterator[str]:
    """`12 padBiasWeights launches inside layers 30.0 us`, `12 copies such as Identity_8 13.7 us`, longest first."""
    inside: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    alone = [(change.new, change.new.ns) for change in diff.layers if change.new and change.kind is Kind.GLUE]
    for change in diff.layers:
        if change.new and change.kind is Kind.COMPUTE:
            for kernel in glue_among(change.new.kernels):
                entry = inside[short_name(kernel.name)]
                entry[0] += kernel.launches
                entry[1] += kernel.ns
    said = [(ns, f"{launches} {name} inside layers {duration(ns)}") for name, (launches, ns) in inside.items()]
    if alone:
        longest = max(alone, key=lambda pair: pair[1])[0]
        ns, launches = sum(ns for _, ns in alone), sum(side.launches for side, _ in alone)
        name = longest.names[0] if diff.by == "layer" else short_name(longest.names[0])
        said.append((ns, f"{count(launches, 'launch')} such as {name} {duration(ns)}"))
    yield from (text for _, text in sorted(said, reverse=True))


def _causes(change: Change) -> set[Cause]:
    return {part.cause for part in change.parts}


def _each(diff: Diff) -> str:
    return " an inference" if diff.per == "inference" else ""


def _signed(ns: int) -> str:
    return f"{'+' if ns >= 0 else '-'}{duration(abs(ns))}"
