"""Kernels side by side: whose verdict differs between traces, who runs what, whose time differs most."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from tcscope.model import Kernel, Precision, Report, Unit
from tcscope.model.many import KernelSpread, MixedKernel, PartialKernel, Variant


@dataclass(slots=True)
class _Seen:
    """One kernel in the traces that ran it: its longest occurrence stands for its words."""

    main: Kernel
    ns: dict[int, int] = field(default_factory=lambda: defaultdict(int))
    launches: int = 0

    def add(self, trace: int, kernel: Kernel) -> None:
        """Count one trace's launches of it."""
        self.ns[trace] += kernel.ns
        self.launches += kernel.launches
        if kernel.ns > self.main.ns:
            self.main = kernel


def spreads(reports: Mapping[int, Report]) -> tuple[KernelSpread, ...]:
    """The kernels that all of several traces ran, largest difference of their times first."""
    if len(reports) < 2:
        return ()
    found = []
    for name, seen in _by_name(reports).items():
        if len(seen.ns) < len(reports):
            continue
        least, most = (pick(seen.ns, key=lambda i: seen.ns[i]) for pick in (min, max))
        words = seen.main
        found.append(
            KernelSpread(
                name=name,
                unit=words.unit,
                precision=words.precision,
                op=words.op,
                mean_ns=sum(seen.ns.values()) / len(seen.ns),
                min_ns=seen.ns[least],
                max_ns=seen.ns[most],
                least=least,
                most=most,
                cue=words.cue,
            )
        )
    return tuple(sorted(found, key=lambda kernel: (kernel.min_ns - kernel.max_ns, kernel.name)))


def partial(reports: Mapping[int, Report]) -> tuple[PartialKernel, ...]:
    """The kernels that some of the traces ran and others did not, longest time first."""
    found = [
        PartialKernel(
            name=name,
            unit=seen.main.unit,
            precision=seen.main.precision,
            op=seen.main.op,
            launches=seen.launches,
            ns=sum(seen.ns.values()),
            traces=tuple(sorted(seen.ns)),
            missing=tuple(i for i in reports if i not in seen.ns),
            cue=seen.main.cue,
        )
        for name, seen in _by_name(reports).items()
        if len(seen.ns) < len(reports)
    ]
    return tuple(sorted(found, key=lambda kernel: (-kernel.ns, kernel.name)))


def mixed(reports: Mapping[int, Report]) -> tuple[MixedKernel, ...]:
    """The kernels whose unit or precision isn't the same in all traces that ran them, longest time first."""
    parts: dict[str, dict[tuple[Unit, Precision], list[tuple[int, Kernel]]]] = defaultdict(lambda: defaultdict(list))
    for i, report in reports.items():
        for kernel in report.kernels:
            parts[kernel.name][kernel.unit, kernel.precision].append((i, kernel))
    found = []
    for name, verdicts in parts.items():
        variants = [_variant(of) for of in verdicts.values()]
        # two GPUs of one trace may differ: that is no difference between traces that all have both
        if len({variant.traces for variant in variants}) == 1:
            continue
        longest = max((kernel for of in verdicts.values() for _, kernel in of), key=lambda kernel: kernel.ns)
        variants.sort(key=lambda variant: (-variant.ns, variant.unit, variant.precision))
        whole = sum(variant.ns for variant in variants)
        found.append(MixedKernel(name, longest.op, whole, tuple(variants), longest.cue))
    return tuple(sorted(found, key=lambda kernel: (-kernel.ns, kernel.name)))


def _variant(of: Iterable[tuple[int, Kernel]]) -> Variant:
    every = list(of)
    longest = max((kernel for _, kernel in every), key=lambda kernel: kernel.ns)
    return Variant(
        unit=longest.unit,
        precision=longest.precision,
        rule=longest.rule,
        evidence=longest.evidence,
        launches=sum(kernel.launches for _, kernel in every),
        ns=sum(kernel.ns for _, kernel in every),
        traces=tuple(sorted({i for i, _ in every})),
    )


def _by_name(reports: Mapping[int, Report]) -> dict[str, _Seen]:
    found: dict[str, _Seen] = {}
    for i, report in reports.items():
        for kernel in report.kernels:
            found.setdefault(kernel.name, _Seen(kernel)).add(i, kernel)
    return found
