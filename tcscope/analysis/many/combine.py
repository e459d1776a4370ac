"""Reports of many traces to one set: who may be compared with whom, mean and spread, the slowest."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from tcscope.analysis.many.answers import Answer
from tcscope.analysis.many.findings import find
from tcscope.analysis.many.kernels import mixed, partial, spreads
from tcscope.model import Device, Report
from tcscope.model.many import Member, Peers, Spread, TraceSet

Reports = Mapping[int, Report]  # those that answered, by their place in the set


def trace_set(answers: Sequence[tuple[str, Answer]]) -> TraceSet:
    """The set of what was answered for each file, by its label."""
    reports = {i: answer.report for i, (_, answer) in enumerate(answers) if answer.report is not None}
    members = [_member(label, answer) for label, answer in answers]
    peers = []
    for number, indices in enumerate(_alike(reports)):
        found = _peers({i: reports[i] for i in indices})
        peers.append(found)
        for i in indices:
            ns = reports[i].totals.kernel_ns
            apart = ns / found.kernel_ns.median - 1 if len(indices) > 1 and found.kernel_ns.median else None
            members[i] = replace(members[i], peers=number, to_median=apart)
    made = TraceSet(traces=tuple(members), peers=tuple(peers), mixed=mixed(reports))
    return replace(made, findings=find(made, reports))


def _member(label: str, answer: Answer) -> Member:
    report = answer.report
    if report is None:
        return Member(label, error=answer.error, hint=answer.hint)
    return Member(
        label,
        captured=report.trace.captured,
        devices=report.trace.devices,
        selection=report.trace.selection,
        totals=report.totals,
        tensor_share=report.tensor_share,
        breakdown=report.breakdown,
    )


def _alike(reports: Reports) -> list[list[int]]:
    """The places of traces that may be compared, in the order of their first: one kind of GPU, selection and source."""
    kinds: dict[object, list[int]] = defaultdict(list)
    for i, report in reports.items():
        # a rank's GPU may have any number in its trace; a profile of trtexec holds sums of one inference
        gpus = tuple(sorted(map(_kind, report.trace.devices)))
        kinds[gpus, report.trace.selection, report.trace.tool == "trtexec"].append(i)
    return list(kinds.values())


def _kind(device: Device) -> tuple[str, int, int]:
    return (device.name, device.sm or 0, device.sm_count or 0)


def _peers(reports: Reports) -> Peers:
    first = next(iter(reports.values()))
    times = {i: report.totals.kernel_ns for i, report in reports.items()}
    busy = [report.totals.busy_ns for report in reports.values()]
    slowest = max(times, key=lambda i: times[i])
    return Peers(
        devices=first.trace.devices,
        selection=first.trace.selection,
        traces=tuple(reports),
        kernel_ns=spread(times.values()),
        launches=spread(report.totals.launches for report in reports.values()),
        share_low=_known(report.tensor_share.low for report in reports.values()),
        share_high=_known(report.tensor_share.high for report in reports.values()),
        busy_ns=None if None in busy else _known(busy),
        slowest=slowest if min(times.values()) < times[slowest] else None,
        kernels=spreads(reports),
        partial=partial(reports),
    )


def spread(values: Iterable[float]) -> Spread:
    """Mean, median, range and sample deviation of at least one value."""
    every = list(values)
    mean = float(statistics.mean(every))
    stdev = float(statistics.stdev(every)) if len(every) > 1 else None
    return Spread(
        count=len(every),
        mean=mean,
        median=float(statistics.median(every)),
        min=float(min(every)),
        max=float(max(every)),
        stdev=stdev,
        cv=stdev / mean if stdev is not None and mean else None,
    )


def _known(values: Iterable[float | None]) -> Spread | None:
    known = [value for value in values if value is not None]
    return spread(known) if known else None
