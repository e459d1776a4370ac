"""What a metric is in a report: exact fractions of whole nanoseconds, and the layers or kernels behind them."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from fractions import Fraction

from tcscope.analysis.budget.grammar import Metric
from tcscope.analysis.budget.metrics import VOCABULARIES
from tcscope.errors import TraceError
from tcscope.model import LayerKernel, Op, Report, Unit
from tcscope.model.check import Scope, Spot

SHOWN = 10  # how many layers or kernels a condition names
_ADDITIVE = ("share", "kernel_time", "kernel_time_per_range", "reformat_time", "launches")  # nothing of it is 0


@dataclass(frozen=True, slots=True)
class Piece:
    """What one kernel ran, in one layer or outside all."""

    layer: str
    kernel: LayerKernel


Takes = Callable[[LayerKernel], bool]


def value(metric: Metric, report: Report) -> Fraction:
    """The share 0..1, time in ns or number of launches that a metric is in a report. Raises TraceError."""
    pieces = chosen(metric, report)
    kernels = [piece.kernel for piece in pieces]
    name = metric.name
    if name in ("kernel_time", "launches"):
        return Fraction(_time(kernels) if name == "kernel_time" else sum(kernel.launches for kernel in kernels))
    if name == "kernel_time_per_range":
        return _per_range(metric, report, _time(kernels))
    if name == "reformat_time":
        return Fraction(_reformat_ns(metric, report))
    if name == "opaque_share":
        hidden = report.totals.graph_ns
        return _over(hidden, hidden + _time(kernels), report)
    if name == "share":
        return _over(_time(kernels), report.totals.kernel_ns, report)
    if name == "reformat_share":
        return _over(_reformat_ns(metric, report), _time(kernels), report)
    if name in ("tensor_share", "eligible_tensor_share"):
        _needs_tensor_cores(report)
    whole = [kernel for kernel in kernels if _in_whole(name, kernel)]
    if not whole and kernels:
        raise TraceError("there is no matrix work (gemm, conv, attention)")
    takes = counted(name)
    return _over(_time(kernel for kernel in whole if takes(kernel)), _time(whole), report)


def counted(name: str) -> Takes:
    """Which kernels' time is a metric's part of the whole."""
    first, _, rest = name.partition(".")
    if rest:
        word = VOCABULARIES[first](rest.partition(".")[0])
        return lambda kernel: getattr(kernel, first) is word
    if name in ("tensor_share", "eligible_tensor_share"):
        return lambda kernel: kernel.unit is Unit.TENSOR_CORE
    if name == "unknown_share":
        return lambda kernel: kernel.unit is Unit.UNKNOWN
    if name.startswith("reformat"):
        return lambda kernel: kernel.op is Op.REFORMAT
    return lambda kernel: name != "opaque_share"


def _in_whole(name: str, kernel: LayerKernel) -> bool:
    return kernel.op.is_matrix or name != "eligible_tensor_share"


def spots(metric: Metric, report: Report, *, too_much: bool) -> list[Spot]:
    """The layers, or else kernels, whose time makes a metric too much or too little, longest first."""
    takes = counted(metric.name)
    everything = metric.name in _ADDITIVE and not metric.name.startswith("reformat")
    groups: dict[tuple[Scope, str], list[LayerKernel]] = {}
    for piece in chosen(metric, report) if metric.scope else by_layer(report) or kernels_of(report):
        kernel = piece.kernel
        if everything or (_in_whole(metric.name, kernel) and takes(kernel) is too_much):
            key = (Scope.LAYER, piece.layer) if piece.layer else (Scope.KERNEL, kernel.name)
            groups.setdefault(key, []).append(kernel)
    whole, cues = max(report.totals.kernel_ns, 1), cues_of(report)
    found = []
    for (scope, name), kernels in groups.items():
        longest, ns = max(kernels, key=lambda kernel: kernel.ns), _time(kernels)
        cue = cues.get(name, "") if scope is Scope.KERNEL else ""
        found.append(Spot(scope, name, longest.unit, longest.precision, longest.op, ns, ns / whole, cue))
    return sorted((spot for spot in found if spot.ns), key=lambda spot: (-spot.ns, spot.name))


def chosen(metric: Metric, report: Report) -> list[Piece]:
    """The pieces of a report that a metric is about. Raises TraceError where its pattern matches none."""
    if metric.scope is None:
        return kernels_of(report)
    pattern = glob(metric.pattern)
    if metric.scope is Scope.KERNEL:
        found = [piece for piece in kernels_of(report) if pattern.fullmatch(piece.kernel.name)]
        if not found and metric.name not in _ADDITIVE:
            raise _no_match(metric, report, [kernel.name for kernel in report.kernels])
        return found
    needs_layers(report)
    matched = {layer.name for layer in report.layers if pattern.fullmatch(layer.name)}
    if not matched:
        raise _no_match(metric, report, [layer.name for layer in report.layers])
    return [piece for piece in _in_layers(report) if piece.layer in matched]


def kernels_of(report: Report) -> list[Piece]:
    """The kernels of a report."""
    return [Piece("", LayerKernel(k.name, k.unit, k.precision, k.op, k.launches, k.ns)) for k in report.kernels]


def by_layer(report: Report) -> list[Piece]:
    """All of a report by layer, and the kernels outside layers; nothing where it has no layers."""
    if not report.layers or report.layering is None:
        return []
    return [*_in_layers(report), *(Piece("", kernel) for kernel in report.layering.outside)]


def cues_of(*reports: Report) -> dict[str, str]:
    """The part of each kernel's name that tells its verdict."""
    return {kernel.name: kernel.cue for report in reports for kernel in report.kernels}


def _in_layers(report: Report) -> list[Piece]:
    found = []
    for layer in report.layers:
        kernels = layer.kernels
        rest = layer.ns - _time(kernels)
        if rest:  # trtexec gives some layers a time and no kernel
            name = layer.tactic or layer.type
            kernels = (*kernels, LayerKernel(name, layer.unit, layer.precision, layer.op, layer.launches, rest))
        found += [Piece(layer.name, kernel) for kernel in kernels]
    return found


def needs_layers(report: Report) -> None:
    """Raise TraceError where a report has no layers of a network."""
    if not report.layers or report.layering is None or report.layering.level == "range":
        hint = "record TensorRT's layers: tcscope profile ENGINE, or nsys profile -t cuda,nvtx; or give --layers FILE"
        raise TraceError(f"{report.trace.file} has no layers", hint)


def glob(pattern: str) -> re.Pattern[str]:
    """A pattern in which only `*` and `?` are special: brackets are part of TensorRT's names.

    What stands between two stars is taken where it comes first, and never looked for again: many stars take no longer.
    """
    first, *between = ["".join("." if c == "?" else re.escape(c) for c in part) for part in re.split(r"\*+", pattern)]
    if not between:
        return re.compile(first, re.DOTALL)
    # a group that is never tried again, which Python 3.10 has no word for: looked ahead, then referred to
    once = "".join(f"(?=(.*?{part}))\\{at}" for at, part in enumerate(between[:-1], 1))
    return re.compile(f"{first}{once}.*{between[-1]}", re.DOTALL)


def nearest(pattern: str, names: Iterable[str]) -> list[str]:
    """The names most like a pattern, at most three."""
    wanted = pattern.replace("*", "").replace("?", "")
    scored = []
    for name in dict.fromkeys(names):
        likest = max(difflib.SequenceMatcher(None, wanted, part).ratio() for part in (name, *name.split(" + ")))
        scored.append((-likest, name))
    return [name for score, name in sorted(scored)[:3] if score < -0.4]


def _no_match(metric: Metric, report: Report, names: list[str]) -> TraceError:
    near = nearest(metric.pattern, names)
    said = f"; nearest: {', '.join(near)}" if near else ""
    return TraceError(
        f"no {metric.scope} matches '{metric.pattern}'{said}",
        f"tcscope analyze {report.trace.file} --by {metric.scope}",
    )


def _per_range(metric: Metric, report: Report, ns: int) -> Fraction:
    found = report.iterations
    if found is None or not found.count:
        hint = "record the inferences inside an NVTX range, and name it: --range NAME"
        raise TraceError(f"{report.trace.file} has no range whose instances could be counted", hint)
    if metric.scope is None:
        return Fraction(found.kernel_ns, found.count)
    if found.kernel_ns != report.totals.kernel_ns:
        raise TraceError(f"kernels also ran outside the range '{found.name}'", f"--range {found.name}")
    return Fraction(ns, found.count)


def _reformat_ns(metric: Metric, report: Report) -> int:
    """Time in reformats, as the ledger has it."""
    if metric.scope is None:
        return sum(row.ns for row in report.reformats)
    pattern = glob(metric.pattern)
    names = ((row.layer if metric.scope is Scope.LAYER else row.kernel, row.ns) for row in report.reformats)
    return sum(ns for name, ns in names if pattern.fullmatch(name))


def _needs_tensor_cores(report: Report) -> None:
    devices = report.trace.devices
    if devices and all(device.has_tensor_cores is False for device in devices):
        raise TraceError(f"{devices[0].name or 'this GPU'} has no Tensor Cores")


def _over(part: int, whole: int, report: Report) -> Fraction:
    if not whole:
        raise TraceError(f"{report.trace.file} has no kernel time there")
    return Fraction(part, whole)


def _time(kernels: Iterable[LayerKernel]) -> int:
    return sum(kernel.ns for kernel in kernels)
