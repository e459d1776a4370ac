"""The views that users of DLProf know: summary, iterations, kernels, eligible, advice."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from tcscope.errors import TraceError
from tcscope.model import Iterations, Kernel, Layer, Report, Unit
from tcscope.model.view import Column, Kind, Value, View
from tcscope.wording import count, duration, percent

TOP_KERNELS = 10  # of the summary, as many as DLProf's
_TIME = (Column("time %", "share", Kind.SHARE), Column("total ms", "ns", Kind.MS))


def summary(report: Report) -> View:
    """How busy the GPU was, how much of the time used Tensor Cores, how long an iteration took."""
    rows = tuple(_summary(report))
    return View("Summary", (Column("metric", "metric"), Column("value", "value"), Column("", "of")), rows)


def iterations(report: Report) -> View:
    """An instance of the range a row."""
    found = _iterations(report)
    columns = (
        Column("iteration", "iteration", Kind.COUNT),
        Column("start ms", "start_ns", Kind.MS),
        Column("wall ms", "wall_ns", Kind.MS),
        Column("kernels ms", "kernel_ns", Kind.MS),
        Column("idle ms", "idle_ns", Kind.MS),
        Column("GPU used %", "gpu_share", Kind.SHARE),
        Column("launches", "launches", Kind.COUNT),
    )
    rows = tuple(
        (at, x.start_ns, x.wall_ns, x.kernel_ns, x.idle_ns, _ratio(x.span_ns - x.idle_ns, x.wall_ns), x.launches)
        for at, x in enumerate(found.instances)
    )
    each = [duration(ns / found.count) for ns in (found.wall_ns, found.kernel_ns, found.idle_ns)]
    notes = [
        "average: {} on the CPU, kernels {}, idle {}".format(*each),
        "idle: between an iteration's first and last kernel none ran; GPU used: part of the wall time in which one ran",
    ]
    if found.count > len(rows):
        notes.append(f"the first {len(rows):,} of {found.count:,} iterations")
    return View(f"Iterations: range '{found.name}'", columns, rows, tuple(notes))


def kernels(report: Report) -> View:
    """All kernels, with the columns of `nsys stats -r cuda_gpu_kern_sum` and the verdict."""
    columns = (
        *_TIME,
        Column("instances", "launches", Kind.COUNT),
        *(Column(word[:3] + " us", f"{word}_ns", Kind.US) for word in ("avg", "median", "min", "max")),
        Column("unit", "unit"),
        Column("precision", "precision"),
        Column("op", "op", Kind.TAG),
        Column("rule", "rule", Kind.TAG),
        Column("name", "name", Kind.KERNEL),
    )
    rows = tuple(_kernel(kernel, report) for kernel in report.kernels)
    notes = () if any(kernel.median_ns is not None for kernel in report.kernels) else ("medians: --stats",)
    return View("Kernels", columns, rows, notes, {kernel.name: kernel.cue for kernel in report.kernels})


def eligible(report: Report) -> View:
    """What Tensor Cores could take (matrix ops), by whether they did; layers or, without them, kernels."""
    entries: tuple[Layer | Kernel, ...] = report.layers or report.kernels
    what = "layers" if report.layers else "kernels"
    took = [entry for entry in entries if entry.op.is_matrix]
    rows = sorted(took, key=lambda entry: (_USED[entry.unit], -entry.ns))
    columns = (
        *_TIME,
        Column("launches", "launches", Kind.COUNT),
        Column("using TC", "using_tensor_cores"),
        Column("precision", "precision"),
        Column("op", "op"),
        Column(what[:-1], what[:-1], Kind.LAYER if report.layers else Kind.KERNEL),
    )
    whole = report.totals.kernel_ns
    values = tuple(
        (_ratio(x.ns, whole), x.ns, x.launches, _WORDS[x.unit], str(x.precision), str(x.op), x.name) for x in rows
    )
    notes = [
        f"{_WORDS[unit]}: {count(len(part), what[:-1])}, {duration(sum(x.ns for x in part))}"
        for unit in _USED
        if (part := [x for x in rows if x.unit is unit])
    ]
    return View(f"Eligible for Tensor Cores: {len(rows)} of {len(entries)} {what}", columns, values, tuple(notes))


def advice(report: Report) -> View:
    """The findings with what to do, most serious first."""
    columns = (
        Column("total ms", "ns", Kind.MS),
        Column("layers", "layers", Kind.COUNT),
        Column("kernels", "kernels", Kind.COUNT),
        Column("level", "level"),
        Column("code", "code"),
        Column("finding", "message", Kind.PROSE),
        Column("remedy", "hint", Kind.PROSE),
    )
    rows: tuple[tuple[Value, ...], ...] = tuple(
        (f.ns, len(f.layers), len(f.kernels), str(f.level), f.code, f.message, f.hint or None) for f in report.findings
    )
    return View("Advice", columns, rows, () if rows else ("nothing found that another build would mend",))


VIEWS: dict[str, Callable[[Report], View]] = {
    "summary": summary,
    "iterations": iterations,
    "kernels": kernels,
    "eligible": eligible,
    "advice": advice,
}
_USED = {Unit.CUDA_CORE: 0, Unit.UNKNOWN: 1, Unit.TENSOR_CORE: 2}  # what could gain comes first
_WORDS = {Unit.CUDA_CORE: "no", Unit.UNKNOWN: "unknown", Unit.TENSOR_CORE: "yes"}


def _summary(report: Report) -> Iterator[tuple[Value, ...]]:
    totals = report.totals
    units = {unit: sum(kernel.ns for kernel in report.kernels if kernel.unit is unit) for unit in Unit}
    found = report.iterations
    if found is not None:
        yield "iterations", f"{found.count:,}", f"'{found.name}'"
        if found.wall_ns:
            busy = found.span_ns - found.idle_ns
            yield "average iteration time", duration(found.wall_ns / found.count), "wall time on the CPU"
            yield "GPU utilization", f"{percent(_ratio(busy, found.wall_ns))} %", "of the wall time a kernel ran"
        yield "kernel time per iteration", duration(found.kernel_ns / found.count), ""
    yield (
        "kernel time",
        duration(totals.kernel_ns),
        f"{count(totals.launches, 'launch')} of {count(len(report.kernels), 'kernel')}",
    )
    for unit, what in (
        (Unit.TENSOR_CORE, "using Tensor Cores"),
        (Unit.CUDA_CORE, "not using Tensor Cores"),
        (Unit.UNKNOWN, "unknown"),
    ):
        if units[unit] or unit is not Unit.UNKNOWN:
            yield what, duration(units[unit]), f"{percent(_ratio(units[unit], totals.kernel_ns))} % of the kernel time"
    yield "memory copies and sets", duration(totals.copy_ns + totals.set_ns), "beside the kernels"
    took = sum(kernel.ns for kernel in report.kernels if kernel.op.is_matrix)
    yield "eligible for Tensor Cores", duration(took), f"{percent(_ratio(took, totals.kernel_ns))} % of the kernel time"
    low = report.tensor_share.eligible_low
    if low is not None:
        yield "Tensor Core utilization", f"{percent(low)} %", "of the eligible time"


def _iterations(report: Report) -> Iterations:
    if report.iterations is not None and not report.iterations.instances:
        raise TraceError(
            f"{report.trace.file} holds sums over its iterations, not one by one",
            "analyze a trace of them: nsys profile -t cuda,nvtx COMMAND",
        )
    if report.iterations is None:
        raise TraceError(
            f"{report.trace.file} shows no iterations: no NVTX range encloses its inferences",
            f"tcscope info {report.trace.file}  # lists its ranges; name one with --range NAME",
        )
    return report.iterations


def _kernel(kernel: Kernel, report: Report) -> tuple[Value, ...]:
    times = (round(kernel.ns / max(kernel.launches, 1)), kernel.median_ns, kernel.min_ns, kernel.max_ns)
    said = (str(kernel.unit), str(kernel.precision), str(kernel.op), kernel.rule or "")
    return (_ratio(kernel.ns, report.totals.kernel_ns), kernel.ns, kernel.launches, *times, *said, kernel.name)


def _ratio(part: int, whole: int) -> float:
    return part / whole if whole else 0.0
