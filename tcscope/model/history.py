"""Checks over time: the runs that a history holds, and the trend of a metric (`tcscope.history/1`). Times in ns."""

from __future__ import annotations

from dataclasses import dataclass

from tcscope.model.check import Measure, Outcome
from tcscope.model.document import Document
from tcscope.model.words import Op, Precision, Unit

HISTORY_SCHEMA = "tcscope.history/1"


@dataclass(frozen=True, slots=True)
class Figure:
    """A metric of one run: a share 0..1, a time in ns or a count. `noise_ns` is what a time may differ by chance."""

    metric: str
    measure: Measure
    value: float
    noise_ns: int | None = None


@dataclass(frozen=True, slots=True)
class KernelTotal:
    """What one kernel ran in one run."""

    name: str
    unit: Unit
    precision: Precision
    op: Op
    launches: int
    ns: int


@dataclass(frozen=True, slots=True)
class Run:
    """One check as a history holds it.

    `commit` is '' where it isn't known; `time` is when it was checked and `captured` when the trace was recorded, both
    UTC. `trace` is the file's name without its folder, `gpu` and `selection` what was measured, and `digest` stands for
    what the trace holds, whatever its file is called: a commit has one run of each digest.
    """

    commit: str
    time: str
    trace: str
    digest: str
    outcome: Outcome
    captured: str = ""
    gpu: str = ""
    selection: str = ""
    figures: tuple[Figure, ...] = ()
    kernels: tuple[KernelTotal, ...] = ()


@dataclass(frozen=True, slots=True)
class Point:
    """A metric in one run, None where it isn't known. `change` is that against the run before.

    `changed` marks the first run of a new level: it differs from those before by more than chance.
    """

    commit: str
    time: str
    outcome: Outcome
    value: float | None
    change: float | None = None
    changed: bool = False


@dataclass(frozen=True, slots=True)
class Series:
    """The runs of one trace, on one GPU, of one selection, in the order in which they were checked.

    `earlier` runs are not shown (`--last`).
    """

    trace: str
    gpu: str
    selection: str
    points: tuple[Point, ...]
    earlier: int = 0


@dataclass(frozen=True, slots=True)
class Trend(Document):
    """A metric over the runs of a history; `rule` says what counts as a change."""

    metric: str
    measure: Measure
    rule: str
    series: tuple[Series, ...] = ()
    schema: str = HISTORY_SCHEMA
