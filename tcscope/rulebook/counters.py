"""What hardware counters say of matrix instructions, from rules/counters.yaml."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tcscope import hardware
from tcscope.data import rules_dir
from tcscope.errors import ConfigError
from tcscope.model import Precision, Unit
from tcscope.rulebook.yamlfile import Fields, Problems, compose, scalar_int, scalar_text

SCHEMA = "tcscope.counters/1"
FILE = "counters.yaml"
# A count, or what is above zero just when it is: not the least of all SMs, nor a peak, nor an average cut to 0.00.
_FORMS = re.compile(r"(?P<base>sm__\w+?)(?P<sparsity>_sparsity_o(?:n|ff))?\.(?:sum|max|sum\.per_second)")


@dataclass(frozen=True, slots=True)
class Counter:
    """One counter: the operand types it counts, and the architectures that have it."""

    metric: str
    precisions: frozenset[Precision]
    sms: frozenset[int]


@dataclass(frozen=True, slots=True)
class CounterVerdict:
    """What a kernel's counters say. `precisions` are the types it may have multiplied, one where that is certain.

    `above` are the counters above zero, `lacking` those without whose zero nothing follows: then the unit is unknown.
    """

    unit: Unit
    precisions: frozenset[Precision] = frozenset()
    above: tuple[tuple[str, float], ...] = ()
    lacking: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CounterTable:
    """The counters that tell, those that tell where they are missing, and what is read beside them."""

    exact: tuple[Counter, ...]
    instead: tuple[Counter, ...]
    beside: tuple[str, ...]

    def judge(self, values: Mapping[str, float], sm: int | None) -> CounterVerdict:
        """What the values of a launch's (or a kernel's) metrics, by their full names, say on this architecture."""
        read = _readings(values)
        found = self._by(self.exact, read, sm)
        if found.unit is not Unit.UNKNOWN or sm is None:
            return found
        older = self._by([counter for counter in self.instead if sm in counter.sms], read, sm)
        return older if older.unit is not Unit.UNKNOWN else found

    def wanted(self, sm: int | None, known: Iterable[str] = ()) -> list[str]:
        """The metrics to ask for: the exact ones that `known` names; without it those of the architecture."""
        names = frozenset(known)
        metrics = [c.metric for c in self.exact if (c.metric in names if names else sm is None or sm in c.sms)]
        if not metrics:
            metrics = [c.metric for c in self.instead if (c.metric in names if names else sm in c.sms)]
        return [f"{metric}.sum" for metric in metrics] + [
            m for m in self.beside if not names or m.partition(".")[0] in names
        ]

    def is_one(self, name: str) -> bool:
        """Whether a metric's full name is one of the counters."""
        match = _FORMS.fullmatch(name)
        return match is not None and any(match["base"] == c.metric for c in (*self.exact, *self.instead))

    def _by(self, counters: Iterable[Counter], read: Mapping[str, float | None], sm: int | None) -> CounterVerdict:
        counters = tuple(counters)
        above = [(c, value) for c in counters if (value := read.get(c.metric, 0.0)) is not None and value > 0]
        above += [(c, value) for c in counters if (value := read.get(f"{c.metric}?")) is not None and value > 0]
        if above:
            types = frozenset().union(*(_possible(c.precisions, sm) for c, _ in above))
            return CounterVerdict(Unit.TENSOR_CORE, types, tuple((c.metric, value) for c, value in above))
        needed = [c.metric for c in counters if sm in c.sms]
        lacking = tuple(metric for metric in needed if read.get(metric) is None)
        if not needed or lacking or not _cover([c for c in counters if sm in c.sms], sm):
            return CounterVerdict(Unit.UNKNOWN, lacking=lacking)
        return CounterVerdict(Unit.CUDA_CORE)


def _cover(counters: Iterable[Counter], sm: int | None) -> bool:
    """Whether no type that the GPU multiplies escapes these counters."""
    gpu = hardware.gpu(sm) if sm is not None else None
    return gpu is None or gpu.precisions <= frozenset().union(*(c.precisions for c in counters))


def _readings(values: Mapping[str, float]) -> dict[str, float]:
    """The values by counter, of whatever form; one that was read with sparsity on or off alone is marked with `?`."""
    read: dict[str, float] = {}
    halves: dict[str, dict[str, float]] = {}
    for name, value in values.items():
        match = _FORMS.fullmatch(name)
        if match is None:
            continue
        if match["sparsity"]:
            halves.setdefault(match["base"], {})[match["sparsity"]] = value
        else:
            read[match["base"]] = max(value, read.get(match["base"], 0.0))
    for base, parts in halves.items():
        read.setdefault(base if len(parts) == 2 else f"{base}?", sum(parts.values()))
    return read


def _possible(precisions: frozenset[Precision], sm: int | None) -> frozenset[Precision]:
    """Of the types that a counter counts those that the GPU multiplies."""
    gpu = hardware.gpu(sm) if sm is not None else None
    return (precisions & gpu.precisions or precisions) if gpu is not None else precisions


@cache
def counter_table() -> CounterTable:
    """The built-in table, read once."""
    return read_counter_table(rules_dir() / FILE)


def read_counter_table(path: Path) -> CounterTable:
    """The table in a file. Raises ConfigError with each problem and its line."""
    problems = Problems(f"{path.parent.name}/{path.name}")
    root = compose(path, problems)
    exact: list[Counter] = []
    instead: list[Counter] = []
    beside: list[str] = []
    if root is not None:
        fields = Fields(root, problems, ("schema", "about", "exact", "instead", "beside"))
        if fields.text("schema", required=True) != SCHEMA:
            problems.add(fields.node_of("schema") or root, f"'schema: {SCHEMA}' is expected")
        exact += _counters(fields, "exact", problems)
        instead += _counters(fields, "instead", problems)
        beside += [scalar_text(node, problems, "beside") for node in fields.items("beside")]
    if problems.found:
        raise ConfigError(problems.found)
    return CounterTable(tuple(exact), tuple(instead), tuple(beside))


def _counters(fields: Fields, name: str, problems: Problems) -> Iterator[Counter]:
    for entry in fields.mappings(name, ("metric", "precisions", "sm", "source")):
        words = [scalar_text(node, problems, "precisions") for node in entry.items("precisions")]
        unknown = next((word for word in words if word not in list(Precision)), None)
        if unknown is not None:
            problems.add(entry.node_of("precisions"), f"'{unknown}' is no precision")
            continue
        if name == "instead":
            entry.text("source", required=True)
        sms = [scalar_int(node, problems, "sm") for node in entry.items("sm")]
        metric = entry.text("metric", required=True)
        yield Counter(metric, frozenset(map(Precision, words)), frozenset(sm for sm in sms if sm is not None))
