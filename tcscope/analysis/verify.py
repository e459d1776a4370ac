"""Each verdict of a report against the hardware counters of Nsight Compute."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from tcscope.errors import TraceError
from tcscope.model import Kernel, Precision, Report, Unit
from tcscope.model.verification import Checked, CounterValue, Score, ScoreSum, Truth, Verification
from tcscope.rulebook import canonical
from tcscope.rulebook.counters import CounterTable, counter_table
from tcscope.rulebook.normalize import one_spelling, simplified
from tcscope.sources.ncu import Counted, read_counters

_CAPTURE = "tcscope profile --counters records them, or: ncu --csv --page raw --metrics {0} COMMAND"


def verify(report: Report, counters: str | Path) -> Verification:
    """The report's verdicts beside the counters in a file. Raises UsageError, and TraceError where it has none."""
    launches = read_counters(counters)
    table = counter_table()
    if not any(table.is_one(name) for launch in launches for name in launch.values):
        wanted = ",".join(table.wanted(next((launch.sm for launch in launches if launch.sm), 90)))
        raise TraceError(f"{counters} has no counter of matrix instructions", _CAPTURE.format(wanted))
    index = _Index(launches, table)
    sms = {device.index: device.sm for device in report.trace.devices}
    checked = tuple(_checked(kernel, sms, index) for kernel in report.kernels)
    low, high, share = _shares(checked)
    return Verification(
        report.trace,
        Path(counters).name,
        tuple(_sum(outcome, checked) for outcome in Score),
        checked,
        index.unused(),
        share,
        low,
        high,
    )


class _Index:
    """The counted launches by the names under which a trace may know them."""

    def __init__(self, launches: Iterable[Counted], table: CounterTable) -> None:
        self._table = table
        self._by_name: dict[str, list[Counted]] = defaultdict(list)
        for launch in launches:
            self._by_name[launch.name].append(launch)
        self._by_spelling = _grouped(self._by_name, one_spelling)
        self._by_canonical = _grouped(self._by_name, canonical)
        self._by_simplified = _grouped(self._by_name, simplified)
        self._used: set[str] = set()

    def find(self, name: str, sm: int | None) -> tuple[Truth, str]:
        """What the counters say of a kernel, and why they say nothing.

        Its name as it stands counts first, then in one spelling of C++, then without what exporters leave out (return
        type, parameters, wrappers), then as ncu simplifies names: the kernels that are one by then must agree.
        """
        for names in (
            [name] if name in self._by_name else [],
            self._by_spelling.get(one_spelling(name), []),
            self._by_canonical.get(canonical(name), []),
            self._by_simplified.get(simplified(name), []),
        ):
            if names:
                self._used.update(names)
                return self._agreed(names, sm)
        return Truth(), "not among the counted kernels"

    def unused(self) -> tuple[str, ...]:
        """The counted kernels that nobody asked for."""
        return tuple(sorted(set(self._by_name) - self._used))

    def _agreed(self, names: Sequence[str], sm: int | None) -> tuple[Truth, str]:
        truths = []
        lacking: tuple[str, ...] = ()
        for name in names:
            launches = [c for c in self._by_name[name] if sm is None or c.sm is None or c.sm == sm]
            if not launches:
                return Truth(), f"counted on another GPU (sm_{self._by_name[name][0].sm})"
            truth, missing = self._truth(launches, sm)
            truths.append(truth)
            lacking = lacking or missing
        if len({(truth.unit, truth.precisions) for truth in truths}) > 1:
            return Truth(), f"{len(names)} counted kernels have this name, and they differ"
        if truths[0].unit is Unit.UNKNOWN:
            what = f"not counted: {', '.join(lacking)}" if lacking else "its counters don't tell on this GPU"
            return truths[0], what
        return truths[0], ""

    def _truth(self, launches: Sequence[Counted], sm: int | None) -> tuple[Truth, tuple[str, ...]]:
        """What all launches of one name say together: matrix work in any of them is matrix work."""
        found = [self._table.judge(launch.values, launch.sm or sm) for launch in launches]
        above: dict[str, float] = defaultdict(float)
        for verdict in found:
            for metric, value in verdict.above:
                above[metric] += value
        types = frozenset[Precision]().union(*(verdict.precisions for verdict in found))
        units = {verdict.unit for verdict in found}
        unit = next((u for u in (Unit.TENSOR_CORE, Unit.UNKNOWN, Unit.CUDA_CORE) if u in units), Unit.UNKNOWN)
        values = tuple(CounterValue(metric, value) for metric, value in sorted(above.items()))
        lacking = next((verdict.lacking for verdict in found if verdict.lacking), ())
        return Truth(unit, tuple(sorted(types)), values, len(launches)), lacking


def _grouped(names: Iterable[str], key: Callable[[str], str]) -> Mapping[str, list[str]]:
    found: dict[str, list[str]] = defaultdict(list)
    for name in names:
        found[key(name)].append(name)
    return found


def _checked(kernel: Kernel, sms: Mapping[int, int | None], index: _Index) -> Checked:
    of_places = {sms.get(place.device) for place in kernel.places}
    sm = of_places.pop() if len(of_places) == 1 else None
    truth, note = index.find(kernel.name, sm)
    return Checked(
        kernel.name,
        _outcome(kernel, truth),
        kernel.launches,
        kernel.ns,
        sm,
        kernel.unit,
        kernel.precision,
        kernel.op,
        kernel.rule,
        kernel.evidence,
        truth,
        note,
    )


def _outcome(kernel: Kernel, truth: Truth) -> Score:
    if truth.unit is Unit.UNKNOWN:
        return Score.UNCOUNTED
    if kernel.unit is Unit.UNKNOWN:
        return Score.UNKNOWN
    if kernel.unit is not truth.unit:
        return Score.WRONG
    if truth.unit is Unit.CUDA_CORE or kernel.precision is Precision.UNKNOWN:
        return Score.RIGHT  # counters tell the types of matrix instructions alone
    mixed = kernel.precision is Precision.MIXED and len(truth.precisions) > 1
    return Score.RIGHT if mixed or kernel.precision in truth.precisions else Score.WRONG


def _sum(outcome: Score, checked: Sequence[Checked]) -> ScoreSum:
    of = [kernel for kernel in checked if kernel.outcome is outcome]
    whole, ns = sum(kernel.ns for kernel in checked), sum(kernel.ns for kernel in of)
    return ScoreSum(outcome, len(of), ns, ns / whole if whole else 0.0)


def _shares(checked: Iterable[Checked]) -> tuple[float | None, float | None, float | None]:
    """The bracket by the verdicts, and the share by the counters, over the kernels that were counted."""
    counted = [kernel for kernel in checked if kernel.outcome is not Score.UNCOUNTED]
    whole = sum(kernel.ns for kernel in counted)
    if not whole:
        return None, None, None
    low = sum(kernel.ns for kernel in counted if kernel.unit is Unit.TENSOR_CORE)
    open_ = sum(kernel.ns for kernel in counted if kernel.unit is Unit.UNKNOWN)
    true = sum(kernel.ns for kernel in counted if kernel.truth.unit is Unit.TENSOR_CORE)
    return low / whole, (low + open_) / whole, true / whole
