"""The reformats that a choice of layers adds or saves: measured ones of both ledgers, and estimates from them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

from tcscope.analysis.advise.costs import Term, When, bits, measured
from tcscope.analysis.advise.join import Candidate
from tcscope.analysis.advise.wires import BYTES, Wire, has_tensors, sizes, wires
from tcscope.model import Dtype, Reason, Report
from tcscope.model.advise import ReformatCost

_FLOAT = frozenset({Dtype.FP32, Dtype.FP16, Dtype.BF16})
_ENOUGH = 3  # reformats of known size, for a line through them
_MOVED = BYTES[Dtype.FP16] + BYTES[Dtype.INT8]  # bytes of an element read as one and written as the other


def reformat_cost(reports: Sequence[tuple[Report, int]]) -> ReformatCost:
    """What a reformat of a given size takes, from all that both reports (with their inferences) have measured."""
    import numpy as np
    from scipy.optimize import nnls

    sized: list[tuple[float, float]] = []
    times: list[float] = []
    for report, count in reports:
        known = sizes(report)
        for name, ns in _times(report, count).items():
            times.append(ns)
            if name in known:
                sized.append((known[name], ns))
    if not times:
        return ReformatCost()
    if len(sized) < _ENOUGH:
        middle = float(np.median(times))
        # of which size they are isn't known: a small tensor's may take next to nothing
        return ReformatCost(len(times), middle, 0.0, 0.0, max(times) / middle)
    moved, taken = np.array(sized).T
    # relative errors count: a reformat of 5 us is to be as well known as one of 50
    (fixed, slope), _ = nnls(np.stack([1 / taken, moved / taken], axis=1), np.ones(len(taken)))
    low, high = np.percentile(taken / (fixed + slope * moved), (10, 90))
    return ReformatCost(len(sized), float(fixed), float(slope), float(min(low, 1)), float(max(high, 1)))


def terms(
    base: tuple[Report, int], new: tuple[Report, int], found: Sequence[Candidate], cost: ReformatCost
) -> list[Term]:
    """Every reformat whose being there depends on which candidates are kept in FP16."""
    made = _Terms(new[0], found, cost)
    made.measured_ones(_times(*new))
    made.estimated_ones()
    return [*made.terms, *_of_base(*base, found)]


def _times(report: Report, count: int) -> dict[str, float]:
    """The time of each reformat layer an inference, without those of constants, and those inside other layers."""
    found: dict[str, float] = defaultdict(float)
    for row in report.reformats:
        if row.layer and row.layer not in row.feeds and row.ns and row.reason is not Reason.CONSTANT:
            found[row.layer] += row.ns / count
    return dict(found)


def _of_base(report: Report, count: int, found: Sequence[Candidate]) -> list[Term]:
    """What the FP16 engine does at a layer for itself: at the network's ends, or beside layers that aren't asked of."""
    number = {name: at for at, candidate in enumerate(found) for name in candidate.base}
    made: dict[str, Term] = {}
    for row in report.reformats:
        if not row.layer or row.layer in row.feeds or row.reason is Reason.CONSTANT or not row.ns:
            continue
        fed = {number[name] for name in row.feeds if name in number}
        if row.leaves in number and not row.writes_output:
            continue  # between two candidates: a matter of layouts, which a mix chooses anew
        at = fed or ({number[row.leaves]} if row.leaves in number else set())
        if len(at) == 1:
            before = made[row.layer].ns if row.layer in made else 0.0
            made[row.layer] = measured(When.KEPT, before + row.ns / count, bits(at))
    return list(made.values())


class _Terms:
    """The reformats between the layers of the new engine."""

    def __init__(self, report: Report, found: Sequence[Candidate], cost: ReformatCost) -> None:
        self.report = report
        self.cost = cost
        self.number = {name: at for at, candidate in enumerate(found) for name in candidate.new}
        self.wires = wires(report)
        self.terms: list[Term] = []
        self.quantized: set[str] = set()  # reformat layers that make INT8
        self.quantized_for: set[str] = set()  # layers that read what one of them made
        self.int8 = {layer.name for layer in report.layers if layer.precision == "int8"}

    def measured_ones(self, times: Mapping[str, float]) -> None:
        """The reformats to INT8 and from it that the new engine has."""
        for name, ns in times.items():
            rows = [row for row in self.report.reformats if row.layer == name]
            src = next((row.src for row in rows if row.src), None)
            dst = next((row.dst for row in rows if row.dst), None)
            if dst is Dtype.INT8 and src in _FLOAT:
                readers = {r for wire in self.wires if name in wire.moved for r in wire.readers}
                readers |= {r for row in rows for r in row.feeds if r not in times}
                self.quantized.add(name)
                self.quantized_for |= readers
                self._add(When.QUANTIZE, ns, readers)
            elif src is Dtype.INT8 and dst in _FLOAT:
                writers = {wire.writer for wire in self.wires if name in wire.moved} | {row.leaves for row in rows}
                for writer in writers & self.number.keys():
                    source = 1 << self.number[writer]
                    self.terms.append(measured(When.DEQUANTIZE, ns, 0, source, fixed=True))

    def estimated_ones(self) -> None:
        """A reformat at each tensor that layers compute or read in INT8, if they should no more be of one type."""
        for wire in self._written_in_int8():
            source = 1 << self.number[wire.writer] if wire.writer in self.number else 0
            readers = bits(self.number[name] for name in wire.readers if name in self.number)
            others = any(name not in self.number for name in wire.readers)
            ns = self.cost.fixed_ns + self.cost.ns_per_byte * _MOVED * (wire.elements or 0)
            low, high = ns * self.cost.low, ns * self.cost.high
            readers &= ~source
            if source and (readers or others):
                self.terms.append(Term(When.QUANTIZE, ns, readers, source, others, low, high))
            if readers:
                # an INT8 layer may write FP16 by itself: then nothing is between
                self.terms.append(Term(When.DEQUANTIZE, ns, readers, source, False, 0.0, high))

    def _written_in_int8(self) -> list[Wire]:
        """The wires whose writer makes INT8; those of one tensor, by whatever way, as one."""
        joined: dict[tuple[str, int | None], list[str]] = {}
        with_tensors = has_tensors(self.report)
        for wire in self.wires:
            if set(wire.moved) & self.quantized:
                continue
            readers = wire.readers if with_tensors else tuple(set(wire.readers) - self.quantized_for)
            in_int8 = wire.dtype is Dtype.INT8 if with_tensors else self._both_int8(wire)
            if in_int8 and readers:
                joined.setdefault((wire.writer, wire.elements), []).extend(readers)
        return [Wire(writer, tuple(names), Dtype.INT8, elements) for (writer, elements), names in joined.items()]

    def _both_int8(self, wire: Wire) -> bool:
        return {wire.writer, *wire.readers} <= self.int8 | self.number.keys()

    def _add(self, when: When, ns: float, readers: set[str]) -> None:
        known = bits(self.number[name] for name in readers if name in self.number)
        if known:
            fixed = any(name not in self.number for name in readers)
            self.terms.append(measured(when, ns, known, fixed=fixed))
