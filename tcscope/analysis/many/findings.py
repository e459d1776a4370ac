"""What a reader of a set must know before comparing: who is missing, what differs, what the traces themselves say."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

from tcscope.model import Finding, Level, Report
from tcscope.model.many import MixedKernel, TraceSet
from tcscope.wording import count, duration

_ORDER = tuple(Level)


def find(found: TraceSet, reports: Mapping[int, Report]) -> tuple[Finding, ...]:
    """All findings of a set, most serious first."""
    every = [
        *_unread(found),
        *_mixed(found),
        *_launches(found),
        *_kinds(found),
        *_unknown(found),
        *_own(found, reports),
    ]
    return tuple(sorted(every, key=lambda finding: _ORDER.index(finding.level)))


def _unread(found: TraceSet) -> Iterator[Finding]:
    """`traces-unread`: the numbers are those of the others."""
    bad = len(found.traces) - found.answered
    if bad:
        what = f"{bad} of {count(len(found.traces), 'trace')} could not be read: every number here is of the others"
        yield Finding("traces-unread", Level.ERROR, 0, what)


def _mixed(found: TraceSet) -> Iterator[Finding]:
    """`unit-differs`: a kernel is on Tensor Cores, or at a precision, in some traces only."""
    units = [kernel for kernel in found.mixed if _units(kernel) > 1]
    for code, kernels, what in (
        ("unit-differs", units, "unit"),
        ("precision-differs", [kernel for kernel in found.mixed if kernel not in units], "precision"),
    ):
        if kernels:
            ns = sum(kernel.ns for kernel in kernels)
            said = (
                f"{count(len(kernels), 'kernel')} of {duration(ns)} in all traces, whose {what} isn't the same in all"
            )
            yield Finding(code, Level.WARNING, ns, said, kernels=tuple(kernel.name for kernel in kernels))


def _units(kernel: MixedKernel) -> int:
    return len({variant.unit for variant in kernel.variants})


def _launches(found: TraceSet) -> Iterator[Finding]:
    """`launches-differ`: the traces hold unequal work, so that their times aren't those of the same."""
    for peers in found.peers:
        few, many = peers.launches.min, peers.launches.max
        if few < many:
            said = (
                f"the traces hold unequal work, {few:,.0f} to {count(int(many), 'launch')}: times compare only in part"
            )
            yield Finding("launches-differ", Level.NOTE, 0, said, "--range NAME --skip N: the same part of each")


def _kinds(found: TraceSet) -> Iterator[Finding]:
    """`not-pooled`: several kinds of GPU or selections, each with a mean of its own."""
    if len(found.peers) > 1:
        said = f"the traces are of {len(found.peers)} kinds (GPU, selection): means and spreads are those of each kind"
        yield Finding("not-pooled", Level.NOTE, 0, said)


def _unknown(found: TraceSet) -> Iterator[Finding]:
    """`gpu-unknown`: traces that don't know their GPU stand together, though it may not be the same."""
    for peers in found.peers:
        if len(peers.traces) > 1 and not all(device.name or device.sm for device in peers.devices):
            said = f"{count(len(peers.traces), 'trace')} don't know their GPU: compared as if it were the same"
            yield Finding("gpu-unknown", Level.NOTE, 0, said)


def _own(found: TraceSet, reports: Mapping[int, Report]) -> Iterator[Finding]:
    """The errors and warnings of the traces themselves, each code once, with the words of the first."""
    codes: dict[str, list[tuple[int, Finding]]] = defaultdict(list)
    for i, report in reports.items():
        for own in report.findings:
            if own.level is not Level.NOTE and i not in (j for j, _ in codes[own.code]):
                codes[own.code].append((i, own))
    for code, of in codes.items():
        first = of[0][1]
        where = among(found, [i for i, _ in of])
        ns = sum(finding.ns for _, finding in of)
        yield Finding(code, first.level, ns, f"{where}: {first.message}", first.hint)


def among(found: TraceSet, traces: Sequence[int]) -> str:
    """`all 4 traces`, `rank3.sqlite`, `rank0.sqlite and 2 more`."""
    if len(traces) == found.answered > 1:
        return f"all {count(len(traces), 'trace')}"
    more = f" and {len(traces) - 1} more" if len(traces) > 1 else ""
    return found.traces[traces[0]].file + more
