"""Two reports to a diff: what moved, by how much, and why."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from tcscope.analysis.difference.causes import direction, kind_of, parts_of, verdict
from tcscope.analysis.difference.findings import find
from tcscope.analysis.difference.match import Match, match_kernels, match_layers
from tcscope.analysis.difference.places import places
from tcscope.analysis.difference.sides import Item, has_layers, kernel_items, layer_items, sums
from tcscope.model import (
    Cause,
    CauseSum,
    Change,
    ChangeSide,
    Diff,
    DiffTotals,
    RangeLevel,
    Report,
    Subject,
)
from tcscope.rulebook import RuleBook

Source = str | Path | Report


def compare(
    base: Source,
    new: Source,
    *,
    sm: int | None = None,
    range: str | None = None,  # noqa: A002 - the word of the command line
    device: int | None = None,
    skip: int = 0,
    rules: Iterable[str | Path] = (),
) -> Diff:
    """What moved from `base` to `new`: traces, saved reports, trtexec's JSON, or Reports at hand.

    Layers are compared where both sides have them, else kernels; per inference where both know their inferences, else
    whole. The other arguments are those of `analyze`; they go for both sides, but not for a report, which is taken as
    it is.

    Raises UsageError, ConfigError (a rule file is wrong), and TraceError where a trace can't answer.
    """
    if isinstance(base, Report) and isinstance(new, Report):
        return difference(base, new)
    book = RuleBook.load(rules)
    return difference(*(report_for(source, book, sm, range, device, skip) for source in (base, new)))


def difference(base: Report, new: Report) -> Diff:
    """The diff of two reports."""
    old, now = _inferences(base), _inferences(new)
    per_inference = old is not None and now is not None
    counts = (old, now) if old is not None and now is not None else (1, 1)
    by_layer = has_layers(base) and has_layers(new)
    sides: list[list[Item]] = []
    outside: list[list[Item]] = [[], []]
    for side, (report, count) in enumerate(zip((base, new), counts, strict=True)):
        if by_layer:
            layers, outside[side] = layer_items(report, count)
            sides.append(layers)
        else:
            sides.append(kernel_items(report, count))
    layers_matched = match_layers(*sides) if by_layer else []
    ordered = places(layers_matched, *sides)
    matches = [*layers_matched, *match_kernels(*(outside if by_layer else sides))]
    before, after = (sums(r, (*s, *o), c) for r, s, o, c in zip((base, new), sides, outside, counts, strict=True))
    at = [*ordered, *[None] * (len(matches) - len(ordered))]
    changes = sorted((_change(*pair, before.kernel_ns) for pair in zip(matches, at, strict=True)), key=_worst_first)
    found = Diff(
        base=_subject(base),
        new=_subject(new),
        totals=DiffTotals(before, after, after.kernel_ns - before.kernel_ns),
        causes=_causes(changes),
        layers=tuple(changes),
        per="inference" if per_inference else "trace",
        by="layer" if by_layer else "kernel",
    )
    return replace(found, findings=find(found, base, new))


def report_for(
    source: Source,
    book: RuleBook,
    sm: int | None,
    range: str | None,  # noqa: A002 - the word of the command line
    device: int | None,
    skip: int,
) -> Report:
    """The report with its layers and inferences, of what runs in inferences alone where the trace has more."""
    # two reports at hand, such as those of `check`, need no reader of traces
    from tcscope.analysis.pipeline import analyze
    from tcscope.sources import open_source

    if isinstance(source, Report):
        return source
    if Path(source).suffix == ".json":
        saved = open_source(source, sm)
        if isinstance(saved, Report):
            return saved
    report = analyze(source, sm, range, device=device, skip=skip, level=RangeLevel(), book=book)
    found = report.iterations
    if found is None or report.trace.selection.range is not None or report.trace.selection.skip:
        return report
    if not 0 < found.kernel_ns < report.totals.kernel_ns:
        return report
    return analyze(source, sm, found.name, device=device, level=RangeLevel(), book=book)


def _subject(report: Report) -> Subject:
    return Subject(report.trace, _inferences(report), report.iterations.name if report.iterations else "")


def _inferences(report: Report) -> int | None:
    return report.iterations.count if report.iterations is not None and report.iterations.count > 0 else None


def _change(match: Match, place: int | None, whole: int) -> Change:
    parts = parts_of(match)
    base, new = _side(match.base), _side(match.new)
    delta = sum(part.ns for part in parts)
    named = match.base if len(match.base) == 1 and len(match.new) != 1 else match.new or match.base
    name = f"{named[0].op} kernels" if match.how == "op" else " | ".join(item.name for item in named)
    share = delta / whole if whole else 0.0
    return Change(name, base, new, delta, parts[0].cause, kind_of(match), parts, match.how, share, place)


def _side(items: Sequence[Item]) -> ChangeSide | None:
    if not items:
        return None
    unit, precision, op = verdict(items)
    src, dst = direction(items)
    return ChangeSide(
        names=tuple(item.name for item in items),
        each_ns=tuple(item.ns for item in items),
        ns=sum(item.ns for item in items),
        launches=sum(item.launches for item in items),
        unit=unit,
        precision=precision,
        op=op,
        src=src,
        dst=dst,
        kernels=tuple(kernel for item in items for kernel in item.kernels),
    )


def _causes(changes: Iterable[Change]) -> tuple[CauseSum, ...]:
    parts: dict[Cause, list[int]] = defaultdict(list)
    for change in changes:
        for part in change.parts:
            parts[part.cause].append(part.ns)
    order = list(Cause)
    found = [CauseSum(cause, sum(ns), len(ns), max(ns) if sum(ns) > 0 else min(ns)) for cause, ns in parts.items()]
    return tuple(sorted(found, key=lambda row: (row.ns <= 0, -abs(row.most_ns), order.index(row.cause))))


def _worst_first(change: Change) -> tuple[bool, int, str]:
    """What got slower by most, down to what got slower at all; then what got faster by most."""
    return change.delta_ns <= 0, -abs(change.delta_ns), change.name
