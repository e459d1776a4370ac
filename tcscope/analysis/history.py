"""What a history keeps of a check, and what a metric is in a run that it kept."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

from tcscope.analysis.budget.grammar import GrammarError, Metric, parse
from tcscope.analysis.budget.measure import value
from tcscope.analysis.budget.metrics import EVERYWHERE, PART, VOCABULARIES, WHOLE_ALONE, complaints, measure_of
from tcscope.analysis.budget.noise import noise
from tcscope.errors import TraceError, UsageError
from tcscope.model import Evidence, Kernel, Report, Totals, TraceInfo
from tcscope.model.check import Check, Measure, Scope
from tcscope.model.history import Figure, KernelTotal, Run
from tcscope.sources import history

KEPT = (*EVERYWHERE, *WHOLE_ALONE)  # of every run, as far as its report can say them
_OF_KERNELS = ("share", "kernel_time", "launches", "unknown_share")  # what sums of kernels tell of some of them


@dataclass(frozen=True, slots=True)
class Asked:
    """A metric that a trend is asked of."""

    metric: Metric
    measure: Measure


def append(path: str | Path, report: Report, check: Check, commit: str, now: datetime | None = None) -> bool:
    """Add a check to a history, which begins with its first; False where this commit has one of this trace already.

    `now` is when it was checked. Raises UsageError where the file can't be used.
    """
    return history.append(Path(path), run_of(report, check, commit, now or datetime.now(timezone.utc)))


def run_of(report: Report, check: Check, commit: str, now: datetime) -> Run:
    """A check as a history holds it: the key metrics, those of its conditions, and the time of each kernel."""
    trace = report.trace
    return Run(
        commit=commit,
        time=now.strftime("%Y-%m-%dT%H:%M:%S"),
        trace=_storable(trace.file),
        digest=digest(report),
        outcome=check.outcome,
        captured=_storable(trace.captured),
        gpu=_storable(", ".join(f"{device.name} sm_{device.sm or '?'}" for device in trace.devices)),
        selection=_storable(_selection(trace)),
        figures=tuple(_figures(report, check)),
        kernels=tuple(
            KernelTotal(_storable(kernel.name), kernel.unit, kernel.precision, kernel.op, kernel.launches, kernel.ns)
            for kernel in report.kernels
        ),
    )


def digest(report: Report) -> str:
    """SHA-256 of what was measured, whatever the file is called and however its kernels are judged."""
    kernels: dict[str, list[int]] = {}
    for kernel in report.kernels:  # one name is several kernels where GPUs differ
        sums = kernels.setdefault(kernel.name, [0, 0, kernel.min_ns, kernel.max_ns])
        sums[:2] = [sums[0] + kernel.launches, sums[1] + kernel.ns]
        sums[2:] = [min(sums[2], kernel.min_ns), max(sums[3], kernel.max_ns)]
    trace, totals = report.trace, report.totals
    beside = [totals.copies, totals.copy_ns, totals.sets, totals.set_ns, totals.graph_launches, totals.graph_ns]
    where = [[device.index, device.name, device.sm] for device in trace.devices]
    facts = [trace.tool, trace.captured, where, _selection(trace), beside, sorted(kernels.items())]
    return hashlib.sha256(json.dumps(facts).encode("ascii")).hexdigest()


def metric_of(text: str) -> Asked:
    """The metric of a text. Raises UsageError where it is none, or a word, which has no trend."""
    try:
        parsed = parse(f"{text} < baseline")
        metric = parsed.expression.metric
        wrong = list(complaints(parsed))
    except GrammarError as error:
        raise UsageError(f"'{text}' is no metric: {error.message}", "tcscope history --help") from error
    measure = measure_of(metric.name)
    if measure is Measure.WORD and not any(metric.name == name and not metric.scope for name in VOCABULARIES):
        raise UsageError(f"{text} is a word and has no trend", f"tcscope history FILE {metric.name}.WORD.{PART}")
    if wrong:
        said = wrong[0][1]
        told = said if f"'{metric.name}'" in said else f"'{text}' is no metric: {said}"
        raise UsageError(told, "tcscope history --help")
    return Asked(metric, measure)


def figure_in(run: Run, asked: Asked) -> Figure | None:
    """What a metric was in a run: as it was kept, or from the times of the kernels; None where neither tells."""
    text = str(asked.metric)
    kept = next((figure for figure in run.figures if figure.metric == text), None)
    if kept is not None or not _from_kernels(asked.metric):
        return kept
    try:
        found = value(asked.metric, _rebuilt(run))
    except TraceError:
        return None
    number = float(found) if asked.measure is Measure.SHARE else int(found)
    return Figure(text, asked.measure, number, _noise_of_part(run, asked, number))


def _figures(report: Report, check: Check) -> Iterator[Figure]:
    wanted = {name: Metric(name) for name in KEPT}
    for condition in check.conditions:
        if condition.measure is not Measure.WORD:
            metric = parse(condition.text).expression.metric
            wanted.setdefault(str(metric), metric)
    for text, metric in wanted.items():
        try:
            found = value(metric, report)
        except TraceError:
            continue
        measure = measure_of(metric.name)
        chance = noise(metric, report, report, found, found) if measure is Measure.TIME else None
        number = float(found) if measure is Measure.SHARE else round(found)
        yield Figure(_storable(text), measure, number, None if chance is None else chance.ns)


def _from_kernels(metric: Metric) -> bool:
    """Whether the sums of the kernels alone tell a metric."""
    if metric.name.partition(".")[0] in VOCABULARIES:
        return metric.scope is not Scope.LAYER
    return metric.scope is Scope.KERNEL and metric.name in _OF_KERNELS


def _rebuilt(run: Run) -> Report:
    """A report with nothing but the kernels of a run."""
    kernels = tuple(
        Kernel(k.name, None, k.unit, k.precision, None, k.op, Evidence.NONE, k.launches, k.ns, None, 0, 0)
        for k in run.kernels
    )
    totals = Totals(sum(kernel.launches for kernel in kernels), sum(kernel.ns for kernel in kernels))
    return Report(TraceInfo(run.trace), totals, kernels=kernels)


def _noise_of_part(run: Run, asked: Asked, ns: float) -> int | None:
    """The noise of a part of the kernel time, as `budget.noise` takes it from that of the whole."""
    whole = next((figure for figure in run.figures if figure.metric == "kernel_time"), None)
    if asked.measure is not Measure.TIME or whole is None or whole.noise_ns is None or not whole.value:
        return None
    return math.ceil(whole.noise_ns * math.sqrt(ns / whole.value))


def _selection(trace: TraceInfo) -> str:
    chosen = trace.selection
    parts = [f"range '{chosen.range}'"] if chosen.range is not None else []
    parts += [f"skip {chosen.skip}"] if chosen.skip else []
    return ", ".join([*parts, *([f"device {chosen.device}"] if chosen.device is not None else [])])


def _storable(text: str) -> str:
    """Text that SQLite can hold: halves of characters, which JSON can spell, become question marks."""
    return text.encode("utf-8", "replace").decode()
