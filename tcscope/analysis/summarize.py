"""Launches and verdicts to a report: one verdict a distinct name and GPU, sums of integers, shares at the end."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from tcscope.analysis.join.layers import by_tactic, described
from tcscope.analysis.judge import Judge, Proof
from tcscope.analysis.layers import layers_of
from tcscope.model import (
    Attribution,
    Breakdown,
    Device,
    Kernel,
    Launches,
    Layer,
    Layering,
    Place,
    RangeLevel,
    Report,
    Selected,
    Selection,
    TensorShare,
    Totals,
    TraceInfo,
    Unit,
    Verdict,
)
from tcscope.rulebook import RuleBook
from tcscope.sources.nsys import NsysTrace

if TYPE_CHECKING:
    from tcscope.analysis.activity.measure import Activity

Judged = dict[tuple[str, Verdict], list[Launches]]


def summarize(
    trace: NsysTrace,
    book: RuleBook,
    selection: Selection,
    *,
    stats: bool = False,
    level: RangeLevel | None = None,
    engine: Sequence[Layer] = (),
    proof: Proof | None = None,
) -> Report:
    """The report of the selected launches, without findings.

    `stats` adds medians and busy time in a second pass, `level` layers and inferences; `engine` holds what TensorRT's
    layer file says of the layers. `proof` outranks the rules.
    """
    if engine and level is not None:
        level = replace(level, sequences=True)
    attributed, iterations = trace.attribute(selection, level) if level is not None else (None, None)
    selected = trace.select(selection)
    used = {launches.device for launches in selected.launches}
    devices = tuple(trace.devices.device(index) for index in sorted(used | {g.device for g in selected.graphs}))
    judge = Judge(book, devices, trace.mangled_names() if book.needs_mangled or proof else {}, proof)
    activity = _activity(trace, judge, devices)
    judged = _by_verdict(selected.launches, judge)
    info = replace(
        trace.info(),
        devices=devices,
        processes=tuple(sorted({launches.process for launches in selected.launches})),
        selection=selection,
    )
    totals = _totals(selected, trace.busy_ns(selection) if stats else None)
    report = assemble(info, judged, book, totals, _medians(trace, selection, judged) if stats else {})
    report = replace(report, iterations=iterations)
    if attributed is not None and level is not None:
        layers, layering = _layered(attributed, level, engine, judge)
        report = replace(report, layers=layers, layering=layering)
    if activity is None:
        return report
    from tcscope.analysis.activity.report import with_measured

    return with_measured(report, activity, trace)


def _activity(trace: NsysTrace, judge: Judge, devices: Sequence[Device]) -> Activity | None:
    """What sampled GPU metrics tell of all kernels; those whose names told nothing are judged by it from here on."""
    if not trace.has_metrics:
        return None
    from tcscope.analysis.activity.measure import measure
    from tcscope.analysis.activity.sampled import sampled_verdicts

    activity = measure(trace)
    if activity is not None:
        judge.settle(sampled_verdicts(activity, judge, devices))
    return activity


def assemble(
    info: TraceInfo,
    judged: Judged,
    book: RuleBook,
    totals: Totals | None = None,
    medians: Mapping[tuple[str, Verdict], int] | None = None,
) -> Report:
    """The report of launches with their verdicts, without layers and findings; totals are theirs if none are given."""
    kernels = sorted(
        (_kernel(name, verdict, parts, book, medians or {}) for (name, verdict), parts in judged.items()),
        key=lambda kernel: (-kernel.ns, kernel.name),
    )
    return Report(
        trace=info,
        totals=totals or _totals(Selected(tuple(part for parts in judged.values() for part in parts)), None),
        tensor_share=tensor_share(kernels, info.devices),
        breakdown=_breakdown(kernels),
        kernels=tuple(kernels),
    )


def _layered(
    found: Attribution, level: RangeLevel, engine: Sequence[Layer], judge: Judge
) -> tuple[tuple[Layer, ...], Layering]:
    """The layers by range or, where ranges hide them and the engine is known, by tactic."""
    if not engine:
        return layers_of(found, "layer" if level.layers else "range", judge.verdict)
    found, joined_ns = by_tactic(found, engine, judge.verdict)
    layers, layering = layers_of(found, "tactic" if joined_ns else "layer", judge.verdict)
    return described(layers, engine), replace(layering, joined_ns=joined_ns)


def tensor_share(kernels: Iterable[Kernel], devices: Iterable[Device]) -> TensorShare:
    """The bracket over kernel time and over eligible time; all None where no GPU has Tensor Cores."""
    if all(device.has_tensor_cores is False for device in devices):
        return TensorShare()
    every = list(kernels)
    low, high = _bracket(every)
    eligible_low, eligible_high = _bracket([kernel for kernel in every if kernel.op.is_matrix])
    return TensorShare(low, high, eligible_low, eligible_high)


def _bracket(kernels: list[Kernel]) -> tuple[float | None, float | None]:
    whole = sum(kernel.ns for kernel in kernels)
    if whole == 0:
        return None, None
    tensor = sum(kernel.ns for kernel in kernels if kernel.unit is Unit.TENSOR_CORE)
    unknown = sum(kernel.ns for kernel in kernels if kernel.unit is Unit.UNKNOWN)
    return tensor / whole, (tensor + unknown) / whole


def _by_verdict(launches: Iterable[Launches], judge: Judge) -> Judged:
    """The launches by kernel and verdict."""
    judged: Judged = defaultdict(list)
    for part in launches:
        judged[part.name, judge.verdict(part.name, part.device)].append(part)
    return judged


def _kernel(
    name: str, verdict: Verdict, parts: list[Launches], book: RuleBook, medians: Mapping[tuple[str, Verdict], int]
) -> Kernel:
    return Kernel(
        name=name,
        rule=verdict.rule,
        unit=verdict.unit,
        precision=verdict.precision,
        accumulate=verdict.accumulate,
        op=verdict.op,
        evidence=verdict.evidence,
        launches=sum(part.launches for part in parts),
        ns=sum(part.ns for part in parts),
        median_ns=medians.get((name, verdict)),
        min_ns=min(part.min_ns for part in parts),
        max_ns=max(part.max_ns for part in parts),
        src=verdict.src,
        dst=verdict.dst,
        cue=book.cue(name),
        note=verdict.note,
        places=tuple(Place(part.device, part.process, part.launches, part.ns) for part in parts),
    )


def _totals(selected: Selected, busy_ns: int | None) -> Totals:
    return Totals(
        launches=sum(part.launches for part in selected.launches),
        kernel_ns=sum(part.ns for part in selected.launches),
        busy_ns=busy_ns,
        copies=sum(c.copies for c in selected.copies),
        copy_ns=sum(c.copy_ns for c in selected.copies),
        sets=sum(c.sets for c in selected.copies),
        set_ns=sum(c.set_ns for c in selected.copies),
        graph_launches=sum(g.launches for g in selected.graphs),
        graph_ns=sum(g.ns for g in selected.graphs),
        negative_launches=selected.negative,
        unplaced_launches=selected.unplaced,
        unplaced_ns=selected.unplaced_ns,
    )


def _breakdown(kernels: list[Kernel]) -> tuple[Breakdown, ...]:
    sums: dict[tuple[object, ...], list[Kernel]] = defaultdict(list)
    for kernel in kernels:
        sums[kernel.unit, kernel.precision, kernel.accumulate, kernel.op].append(kernel)
    whole = sum(kernel.ns for kernel in kernels)
    rows = [
        Breakdown(
            unit=of[0].unit,
            precision=of[0].precision,
            accumulate=of[0].accumulate,
            op=of[0].op,
            launches=sum(kernel.launches for kernel in of),
            ns=sum(kernel.ns for kernel in of),
            share=sum(kernel.ns for kernel in of) / whole if whole else 0.0,
        )
        for of in sums.values()
    ]
    return tuple(sorted(rows, key=lambda row: (-row.ns, row.unit, row.precision, row.op)))


def _medians(trace: NsysTrace, selection: Selection, judged: Judged) -> dict[tuple[str, Verdict], int]:
    """The median duration in ns of each kernel's launches, rounded to a whole ns."""
    import numpy as np

    owner = {(p.name, p.device, p.process): key for key, parts in judged.items() for p in parts}
    durations: dict[tuple[str, Verdict], list[np.typing.NDArray[np.int64]]] = defaultdict(list)
    for place, ns in trace.durations(selection):
        durations[owner[place]].append(ns)
    return {key: round(float(np.median(np.concatenate(parts)))) for key, parts in durations.items()}
