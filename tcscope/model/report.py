"""The report: one dataclass tree, field for field its JSON (`tcscope.report/1`). Times in ns, shares 0..1."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from tcscope.errors import TraceError
from tcscope.model.codec import OMITTED
from tcscope.model.document import Document
from tcscope.model.layers import Layer, Layering
from tcscope.model.measured import Measured, Measurement
from tcscope.model.reformat import Reformat
from tcscope.model.trace import Device, Iterations, Selection
from tcscope.model.words import Accumulate, Dtype, Evidence, Level, Op, Precision, Unit

if TYPE_CHECKING:
    import pandas
    from matplotlib.figure import Figure

REPORT_SCHEMA = "tcscope.report/1"


@dataclass(frozen=True, slots=True)
class TraceInfo:
    """Where the numbers come from. `file` is the file's name without its folder; times of day are UTC.

    `tensorrt` is the version that ran the engine, where `profile` wrote it into the layer file.
    """

    file: str
    tool: str = ""
    schema_version: str = ""
    captured: str = ""
    host: str = ""  # the architecture of the machine's CPU (x86_64, aarch64), never the machine's name
    driver: str = ""
    cuda: str = ""
    devices: tuple[Device, ...] = ()
    processes: tuple[int, ...] = ()
    selection: Selection = field(default_factory=Selection)
    tensorrt: str | None = field(default=None, metadata=OMITTED)


@dataclass(frozen=True, slots=True)
class Totals:
    """Sums over the selected launches.

    `busy_ns`, the union of the kernels' intervals, is None unless asked for. `graph_launches` and `graph_ns` are CUDA
    graph launches whose kernels the trace doesn't show: they are in no other number. `negative_launches` end before
    they start and count as 0 ns. `unplaced_launches` lie outside every range, for the trace lacks their launch call.
    """

    launches: int = 0
    kernel_ns: int = 0
    busy_ns: int | None = None
    copies: int = 0
    copy_ns: int = 0
    sets: int = 0
    set_ns: int = 0
    graph_launches: int = 0
    graph_ns: int = 0
    negative_launches: int = 0
    unplaced_launches: int = 0
    unplaced_ns: int = 0


@dataclass(frozen=True, slots=True)
class TensorShare:
    """The bracket: low counts tensor_core alone, high adds what is unknown; over kernel time and over eligible time.

    All None where the GPU has no Tensor Cores or there is no time to share.
    """

    low: float | None = None
    high: float | None = None
    eligible_low: float | None = None
    eligible_high: float | None = None


@dataclass(frozen=True, slots=True)
class Breakdown:
    """Time of one combination of unit, precision, accumulate and op."""

    unit: Unit
    precision: Precision
    accumulate: Accumulate | None
    op: Op
    launches: int
    ns: int
    share: float


@dataclass(frozen=True, slots=True)
class Group:
    """Time of one combination of values of the dimensions `Report.by`; `keys` are those values as text."""

    keys: tuple[str, ...]
    launches: int
    ns: int
    share: float


@dataclass(frozen=True, slots=True)
class Place:
    """The part of a kernel's launches that one process made on one device."""

    device: int
    process: int
    launches: int
    ns: int


@dataclass(frozen=True, slots=True)
class Kernel:
    """One kernel with its verdict and times; `median_ns` is None unless asked for.

    A name that ran on GPUs of different architectures with different verdicts is one Kernel for each verdict.
    `measured` is there where the trace samples GPU metrics.
    """

    name: str
    rule: str | None
    unit: Unit
    precision: Precision
    accumulate: Accumulate | None
    op: Op
    evidence: Evidence
    launches: int
    ns: int
    median_ns: int | None
    min_ns: int
    max_ns: int
    src: Dtype | None = None
    dst: Dtype | None = None
    cue: str = ""
    note: str = ""
    places: tuple[Place, ...] = ()
    measured: Measured | None = field(default=None, metadata=OMITTED)


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing the reader should know, with its time and one thing to do. `code` is stable."""

    code: str
    level: Level
    ns: int
    message: str
    hint: str = ""
    layers: tuple[str, ...] = ()
    kernels: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Report(Document):
    """Everything tcscope knows of a trace. Kernels and breakdown are sorted by time, longest first.

    Layers, in the order in which they ran, are there where they were asked for; `layering` says how they were found.
    `reformats`, longest first, is the ledger of data moved or converted; its rows of op `reformat` hold all time of it.
    """

    trace: TraceInfo
    totals: Totals = field(default_factory=Totals)
    tensor_share: TensorShare = field(default_factory=TensorShare)
    breakdown: tuple[Breakdown, ...] = ()
    kernels: tuple[Kernel, ...] = ()
    layers: tuple[Layer, ...] = ()
    findings: tuple[Finding, ...] = ()
    by: tuple[str, ...] = ()
    groups: tuple[Group, ...] = ()
    layering: Layering | None = None
    iterations: Iterations | None = None
    reformats: tuple[Reformat, ...] = ()
    measurement: Measurement | None = field(default=None, metadata=OMITTED)
    schema: str = REPORT_SCHEMA

    def to_frame(self) -> pandas.DataFrame:
        """The kernels as a pandas DataFrame: one row a kernel, times in ns, `share` of the kernel time 0..1."""
        import pandas

        columns = [name for name in Kernel.__slots__ if name not in ("places", "measured")]
        rows = [[getattr(kernel, name) for name in columns] for kernel in self.kernels]
        frame = pandas.DataFrame(rows, columns=columns)
        frame.insert(columns.index("ns") + 1, "share", frame["ns"] / max(self.totals.kernel_ns, 1))
        return frame

    def plot(self) -> Figure:
        """The kernel time by unit and precision as a matplotlib Figure. Raises UsageError without matplotlib."""
        import tcscope  # the front: it knows the rooms above this one

        figure: Figure = tcscope.shown_as("figure", self)
        return figure

    def _repr_html_(self) -> str:
        """The summary that a notebook shows."""
        import tcscope

        return str(tcscope.shown_as("notebook", self))

    @classmethod
    def load(cls, path: str | Path) -> Report:
        """Read a saved report. Raises OSError, and TraceError where the file is no report of a known schema."""
        text = Path(path).read_text(encoding="utf-8", errors="replace")
        try:
            data = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise TraceError(f"{path} is not JSON: {str(error)[:100]}") from error
        schema = data.get("schema") if isinstance(data, dict) else None
        if schema != REPORT_SCHEMA:
            found = f"its schema is '{schema}'" if schema else "it has no schema"
            raise TraceError(
                f"{path} is no tcscope report: {found}, expected '{REPORT_SCHEMA}'",
                "make one with `tcscope analyze TRACE -o report.json`",
            )
        return cls.from_dict(data)
