"""The main way through the house: a file in, a report out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from tcscope.analysis.findings import find
from tcscope.analysis.grouping import DEFAULT_BY, checked, group
from tcscope.analysis.summarize import summarize
from tcscope.errors import UsageError
from tcscope.model import RangeLevel, Report, Selection
from tcscope.rulebook import RuleBook
from tcscope.sources import open_source


def analyze(
    path: str | Path,
    sm: int | None = None,
    range: str | None = None,  # noqa: A002 - the word of the command line
    *,
    device: int | None = None,
    skip: int = 0,
    stats: bool = False,
    by: Sequence[str] = DEFAULT_BY,
    level: RangeLevel | None = None,
    rules: Iterable[str | Path] = (),
    book: RuleBook | None = None,
) -> Report:
    """The report of a trace, or a saved report as it is (regrouped by `by`).

    `sm` is the compute capability of GPUs that the trace doesn't describe (87 for 8.7). `range` takes the launches
    inside an NVTX range of that name, `device` those of one GPU, and `skip` leaves out the first instances of the range
    (without one: the first launches). `stats` adds medians and busy time in a second pass. `by` names the dimensions of
    `Report.groups`; `layer` or `range` among them attributes launches to TensorRT's layers or to NVTX ranges, and
    `level` does it in any case. `rules` are rule files that come before the built-in ones; `book` is a rulebook already
    loaded.

    Raises UsageError, ConfigError (a rule file is wrong), and TraceError where the trace can't answer.
    """
    if range is not None:
        range = range.encode("utf-8", "replace").decode()  # noqa: A001 - bytes of another encoding can't be in a report
    selection = Selection(range, skip, device)
    level = level or _level(checked(by))
    source = open_source(path, sm)
    if isinstance(source, Report):
        if selection != Selection() or sm is not None or stats:
            raise UsageError(
                f"{path} is a saved report: what it holds can't be selected again",
                "give the trace itself to use --range, --skip, --device, --sm or --stats",
            )
        return group(source, by)
    try:
        report = summarize(source, book or RuleBook.load(rules), selection, stats=stats, level=level)
    finally:
        source.close()
    return group(replace(report, findings=find(report)), by)


def _level(by: Sequence[str]) -> RangeLevel | None:
    """What `--by layer` and `--by range` ask the trace for."""
    return RangeLevel(layers="layer" in by) if "layer" in by or "range" in by else None
