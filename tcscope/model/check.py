"""What a budget found in a report: one dataclass tree, field for field its JSON (`tcscope.check/1`). Times in ns."""

from __future__ import annotations

from dataclasses import dataclass, field

from tcscope.model.diff import Cause
from tcscope.model.document import Document
from tcscope.model.report import TensorShare, TraceInfo
from tcscope.model.words import Op, Precision, Unit, Word

CHECK_SCHEMA = "tcscope.check/1"


class Outcome(Word):
    """How a condition, or a whole check, ended. `within_noise` counts as passed; a whole check never ends with it."""

    PASSED = "passed"
    FAILED = "failed"
    WARNED = "warned"
    WITHIN_NOISE = "within_noise"


class Clause(Word):
    """Where a condition stands: what fails if it holds, what warns if it holds, what fails unless it holds."""

    FAIL_ON = "fail_on"
    WARN_ON = "warn_on"
    REQUIRE = "require"


class Measure(Word):
    """What a metric is: a share 0..1, a time in ns, a number of launches, or words of a vocabulary."""

    SHARE = "share"
    TIME = "time"
    COUNT = "count"
    WORD = "word"


class Scope(Word):
    """What a name is the name of."""

    LAYER = "layer"
    KERNEL = "kernel"


@dataclass(frozen=True, slots=True)
class Amount:
    """A share 0..1, a time in ns or a number of launches; None where it is a word. `text` is it for a reader."""

    value: float | None
    text: str


@dataclass(frozen=True, slots=True)
class Spot:
    """A layer or kernel that a condition is about: `ns` is the time in it that counts there, of its longest such kernel
    unit, precision and op; `share` is that time over the kernel time of the selection. `cue` is the part of a kernel's
    name that tells its verdict.
    """

    scope: Scope
    name: str
    unit: Unit
    precision: Precision
    op: Op
    ns: int
    share: float = 0.0
    cue: str = ""


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition and how it ended.

    `text` is it as written; `source` the budget file, as given, or the option (`--fail-on`); `line` and `column`, from
    1 on, are None for an option. `metric`, `operator` and `limit` are its parts, the limit with the baseline resolved.
    `expected` says what must be so (`>= 81.6 %`), `found` what is. `baseline` is the metric there, where the condition
    speaks of it. `noise_ns` is what a time may differ from the baseline's by chance, None where it isn't known.
    `message` is a sentence that says how it ended. `where`, longest first, are the layers or kernels concerned, of
    `where_count` in all.
    """

    text: str
    clause: Clause
    source: str
    line: int | None
    column: int | None
    metric: str
    measure: Measure
    operator: str
    limit: Amount
    expected: str
    found: Amount
    outcome: Outcome
    message: str
    baseline: Amount | None = None
    noise_ns: int | None = None
    where: tuple[Spot, ...] = ()
    where_count: int = 0
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Ran:
    """What ran a layer or kernel on one side: the verdict of its main kernel, that kernel's name, and its time.

    `cue` is the part of the name that tells the verdict.
    """

    unit: Unit
    precision: Precision
    op: Op
    kernel: str
    ns: int
    cue: str = ""


@dataclass(frozen=True, slots=True)
class Moved:
    """A layer or kernel that another unit, precision or kernel runs now, or that one side alone has.

    Times are per `Check.per`.
    """

    scope: Scope
    name: str
    before: Ran | None
    now: Ran | None
    delta_ns: int
    cause: Cause


@dataclass(frozen=True, slots=True)
class Counts:
    """How many conditions ended how; `conditions` is all of them."""

    conditions: int = 0
    failed: int = 0
    warned: int = 0
    within_noise: int = 0
    passed: int = 0


@dataclass(frozen=True, slots=True)
class Check(Document):
    """A report held against a budget, and where there is one against a baseline.

    `outcome` is `failed` where a condition failed, else `warned` where one warned, else `passed`; `summary` says it in
    a line. Conditions are in the order in which they were written: those of the file, then those of the command line.
    `moved` begins with what changed its unit or precision or is on one side alone, then comes what another kernel runs;
    both by the change in time, most first. Its times are per `per` (`inference` or `trace`). `kernel_ns` is the kernel
    time, `tensor_share` the share of the whole selection, `baseline_...` those of the baseline. `budget` is the budget
    file as given, '' without one. `notes` are sentences beside the conditions, such as what differs from the baseline.
    """

    trace: TraceInfo
    outcome: Outcome
    summary: str
    counts: Counts
    conditions: tuple[Condition, ...]
    budget: str = ""
    baseline: TraceInfo | None = None
    baseline_file: str = ""
    kernel_ns: int = 0
    baseline_kernel_ns: int | None = None
    tensor_share: TensorShare = field(default_factory=TensorShare)
    baseline_tensor_share: TensorShare | None = None
    moved: tuple[Moved, ...] = ()
    per: str = "trace"
    notes: tuple[str, ...] = ()
    schema: str = CHECK_SCHEMA

    @property
    def exit_code(self) -> int:
        """1 where a condition failed, else 0."""
        return int(self.outcome is Outcome.FAILED)
