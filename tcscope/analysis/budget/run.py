"""A report and a budget to a check: which conditions hold, and what moved since the baseline."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from tcscope.analysis.budget.budget import OPTIONS, Entry
from tcscope.analysis.budget.judge import Sides, judge
from tcscope.analysis.budget.likeness import differences, remarks, selected
from tcscope.analysis.budget.moved import moved
from tcscope.errors import ConfigError, TraceError, UnanswerableError, UsageError
from tcscope.model import REPORT_SCHEMA, Diff, RangeLevel, Report, Selection
from tcscope.model.check import Check, Clause, Condition, Counts, Outcome
from tcscope.wording import count, duration, percent

NO_CONDITION = "tcscope check TRACE --fail-on 'tensor_share < 75%', or write a tcscope.yaml"
_REPORT = f'"schema": "{REPORT_SCHEMA}"'.encode()
_NO_BASELINE = "--baseline report.json, or 'baseline:' in tcscope.yaml; make it with --update-baseline"


def report_of(
    path: str | Path,
    selection: Selection,
    *,
    sm: int | None = None,
    layers: Path | None = None,
    rules: Iterable[str | Path] = (),
) -> Report:
    """The report of a trace, with its layers where it has any, or a saved report that is of this selection.

    Raises TraceError where a saved report is of another, and what `analyze` raises.
    """
    saved = _saved(Path(path)) if layers is None and sm is None else None
    if saved is not None:
        held = saved.trace.selection
        if selection not in (Selection(), held):
            raise TraceError(
                f"{path} is a saved report of {selected(held)}, not of {selected(selection)}",
                "give the trace itself, or save its report with this selection",
            )
        return saved
    from tcscope.analysis.pipeline import analyze

    return analyze(
        path,
        sm,
        selection.range,
        device=selection.device,
        skip=selection.skip,
        level=RangeLevel(),
        layers=layers,
        rules=rules,
    )


def _saved(path: Path) -> Report | None:
    """The saved report in a file that begins as one, without the readers of traces; None where it is another file."""
    try:
        with path.open("rb") as file:
            head = file.read(200)
    except OSError:
        return None
    return Report.load(path) if _REPORT in head else None


def check(
    report: Report,
    entries: Sequence[Entry],
    *,
    base: Report | None = None,
    base_file: str = "",
    budget_file: str = "",
    allow_mismatch: bool = False,
) -> Check:
    """A report held against conditions and, where there is one, against a baseline.

    Raises UsageError without a condition, ConfigError where conditions need a baseline and there is none, and
    UnanswerableError with all that keeps the reports from being compared, or a condition from being judged.
    """
    if not entries:
        raise UsageError("there is no condition to check", NO_CONDITION)
    needs_baseline(entries, base)
    notes: list[str] = []
    if base is not None:
        differs = differences(base, report)
        if differs and not allow_mismatch:
            raise UnanswerableError(differs, "--allow-mismatch, or make a baseline of this: --update-baseline")
        notes += [*differs, *remarks(base, report)]
    diff = _difference(base, report) if base is not None else None
    conditions = _judged(entries, Sides(report, base, diff))
    if base is not None and any(c.noise_ns is None and c.baseline and c.measure == "time" for c in conditions):
        notes.append("no noise is known for times: that takes a range with at least 5 instances, on both sides")
    counts = _counts(conditions)
    return Check(
        trace=report.trace,
        outcome=Outcome.FAILED if counts.failed else Outcome.WARNED if counts.warned else Outcome.PASSED,
        summary=_summary(counts),
        counts=counts,
        conditions=conditions,
        budget=budget_file,
        baseline=base.trace if base is not None else None,
        baseline_file=base_file,
        kernel_ns=report.totals.kernel_ns,
        baseline_kernel_ns=base.totals.kernel_ns if base is not None else None,
        tensor_share=report.tensor_share,
        baseline_tensor_share=base.tensor_share if base is not None else None,
        moved=moved(diff, base, report) if diff is not None and base is not None else (),
        per=diff.per if diff is not None else "trace",
        notes=tuple(notes),
    )


def _difference(base: Report, report: Report) -> Diff:
    from tcscope.analysis.difference.reports import difference

    return difference(base, report)


def needs_baseline(entries: Iterable[Entry], base: Report | None) -> None:
    """Raise ConfigError with the conditions that speak of a baseline where there is none."""
    without = [entry for entry in entries if entry.expression.value.baseline and base is None]
    if without:
        raise ConfigError([f"{entry.place}: '{entry.text}' needs a baseline" for entry in without], _NO_BASELINE)


def told(report: Report) -> str:
    """What a baseline holds, in a line: `83.6 % on Tensor Cores, 7.927 ms in 640 launches, 32 layers`."""
    share, totals = report.tensor_share.low, report.totals
    parts = [] if share is None else [f"{percent(share)} % on Tensor Cores"]
    parts.append(f"{duration(totals.kernel_ns)} in {count(totals.launches, 'launch')}")
    parts += [count(len(report.layers), "layer")] if report.layers else []
    return ", ".join(parts)


def absolute(entries: Iterable[Entry]) -> list[Entry]:
    """The conditions that a new baseline must not break: those that speak of none, and do more than warn."""
    return [entry for entry in entries if not entry.expression.value.baseline and entry.clause is not Clause.WARN_ON]


def _judged(entries: Sequence[Entry], sides: Sides) -> tuple[Condition, ...]:
    conditions: list[Condition] = []
    problems: list[str] = []
    hints: list[str] = []
    for entry in entries:
        try:
            conditions.append(judge(entry, sides))
        except TraceError as error:
            place = f"{entry.source} '{entry.text}'" if entry.source in OPTIONS.values() else entry.place
            problems.append(f"{place}: {error.message}")
            hints.append(error.hint)
    if problems:
        raise UnanswerableError(problems, next(filter(None, hints), ""))
    return tuple(conditions)


def _counts(conditions: Iterable[Condition]) -> Counts:
    ended = Counter(condition.outcome for condition in conditions)
    return Counts(
        conditions=ended.total(),
        failed=ended[Outcome.FAILED],
        warned=ended[Outcome.WARNED],
        within_noise=ended[Outcome.WITHIN_NOISE],
        passed=ended[Outcome.PASSED],
    )


def _summary(counts: Counts) -> str:
    """`2 of 5 conditions failed, 1 within noise`."""
    whole = count(counts.conditions, "condition")
    parts = []
    if counts.failed:
        parts.append(f"{counts.failed} of {whole} failed")
    if counts.warned:
        parts.append(f"{counts.warned} warned" if parts else f"{counts.warned} of {whole} warned")
    if not parts:
        parts.append(f"{counts.passed + counts.within_noise} of {whole} passed")
    if counts.within_noise:
        parts.append(f"{counts.within_noise} within noise")
    return ", ".join(parts)
