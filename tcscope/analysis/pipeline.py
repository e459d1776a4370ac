"""The main way through the house: a file in, a report out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from tcscope.analysis.engine import gaps, report_of_pair
from tcscope.analysis.findings import find, in_order
from tcscope.analysis.grouping import DEFAULT_BY, checked, group
from tcscope.analysis.join.layers import differences
from tcscope.analysis.ledger.entries import ledger
from tcscope.analysis.summarize import summarize
from tcscope.errors import UsageError
from tcscope.model import Finding, RangeLevel, Report, Selection
from tcscope.rulebook import RuleBook
from tcscope.sources import NsysTrace, open_source
from tcscope.sources.trtexec import EnginePair, open_pair, read_layers, read_version

if TYPE_CHECKING:
    from tcscope.analysis.sass import MachineCode


def analyze(
    path: str | Path | None,
    sm: int | None = None,
    range: str | None = None,  # noqa: A002 - the word of the command line
    *,
    device: int | None = None,
    skip: int = 0,
    stats: bool = False,
    by: Sequence[str] = DEFAULT_BY,
    level: RangeLevel | None = None,
    layers: str | Path | None = None,
    profile: str | Path | None = None,
    sass: Sequence[str | Path] = (),
    rules: Iterable[str | Path] = (),
    book: RuleBook | None = None,
) -> Report:
    """The report of a trace or a trtexec pair, or a saved report as it is (regrouped by `by`).

    `sm` is the compute capability of GPUs that the trace doesn't describe (87 for 8.7). `range` takes the launches
    inside an NVTX range of that name, `device` those of one GPU, and `skip` leaves out the first instances of the range
    (without one: the first launches). `stats` adds medians and busy time in a second pass. `by` names the dimensions of
    `Report.groups`; `layer` or `range` among them attributes launches to TensorRT's layers or to NVTX ranges, and
    `level` does it in any case. `layers` is a layer file of trtexec, which describes the layers of the trace and joins
    to them what CUDA graphs hide; without a trace (`path` None), `profile` gives the layers' times. `sass` are
    binaries, or saved answers of `tcscope sass`, whose machine code outranks the rules for the kernels in it. `rules`
    are rule files that come before the built-in ones; `book` is a rulebook already loaded.

    Raises UsageError, ConfigError (a rule file is wrong), and TraceError where the trace can't answer.
    """
    if range is not None:
        range = range.encode("utf-8", "replace").decode()  # noqa: A001 - bytes of another encoding can't be in a report
    selection = Selection(range, skip, device)
    level = level or _level(checked(by))
    if layers is not None and level is not None and not level.layers:
        raise UsageError("--layers describes layers, not ranges", "--by layer, or leave out --layers")
    source = _opened(path, sm, layers, profile)
    if not isinstance(source, NsysTrace):
        if sass:
            raise UsageError(
                f"--sass judges the kernels of a trace, and {path or layers} has none to judge", "give the trace itself"
            )
        if selection != Selection() or stats or (sm is not None and isinstance(source, Report)):
            raise _no_selection(path or layers, source)
        if isinstance(source, Report):
            return group(source, by)
    book = book or RuleBook.load(rules)
    if not isinstance(source, NsysTrace):
        return finished(_versioned(report_of_pair(source, book), source.path), by, gaps(source))
    try:
        proof = _machine_code(sass) if sass else None
        if layers is None:
            report = summarize(source, book, selection, stats=stats, level=level, proof=proof)
            if "layer" in by and not report.layers and report.layering is not None:
                raise source.why_no_layers(report.layering.graph_ns, report.layering.unplaced_ns)
            return finished(report, by)
        engine = read_layers(Path(layers))
        level = level or RangeLevel()
        report = summarize(source, book, selection, stats=stats, level=level, engine=engine, proof=proof)
        return finished(_versioned(report, Path(layers)), by, differences(report, engine, Path(layers).name))
    finally:
        source.close()


def _machine_code(files: Sequence[str | Path]) -> MachineCode:
    from tcscope.analysis.sass import MachineCode, load

    return MachineCode(load(files))


def _versioned(report: Report, layers: Path) -> Report:
    """The report with the version of TensorRT that its layer file names."""
    return replace(report, trace=replace(report.trace, tensorrt=read_version(layers)))


def _opened(
    path: str | Path | None, sm: int | None, layers: str | Path | None, profile: str | Path | None
) -> NsysTrace | Report | EnginePair:
    """The source that a path, a layer file and a profile name together. Raises UsageError where they contradict."""
    if path is None:
        if layers is None:
            what = "a profile has times, but no kernels" if profile else "no trace is given"
            raise UsageError(what, "tcscope analyze TRACE, or: tcscope analyze --layers L.json --profile P.json")
        return open_pair(Path(layers), profile=_path(profile), sm=sm)
    if profile is not None:
        if layers is not None:
            raise UsageError(
                f"--profile has no place beside a trace: the times of {path} are its own", "leave out --profile"
            )
        return open_pair(Path(path), profile=_path(profile), sm=sm)
    source = open_source(path, sm)
    if layers is not None and not isinstance(source, NsysTrace):
        what = "a saved report" if isinstance(source, Report) else "a layer file itself"
        raise UsageError(f"--layers describes the layers of a trace, and {path} is {what}", "leave out --layers")
    return source


def _no_selection(path: str | Path | None, source: Report | EnginePair) -> UsageError:
    if isinstance(source, Report):
        return UsageError(
            f"{path} is a saved report: what it holds can't be selected again",
            "give the trace itself to use --range, --skip, --device, --sm or --stats",
        )
    return UsageError(
        f"{path} with its profile holds sums, and no launch to select",
        "give a trace to use --range, --skip, --device or --stats",
    )


def finished(report: Report, by: Sequence[str], more: Iterable[Finding] = ()) -> Report:
    """The report with its ledger, its findings and its groups."""
    report = replace(report, reformats=ledger(report))
    return group(replace(report, findings=in_order([*find(report), *more])), by)


def _level(by: Sequence[str]) -> RangeLevel | None:
    """What `--by layer` and `--by range` ask the trace for."""
    return RangeLevel(layers="layer" in by) if "layer" in by or "range" in by else None


def _path(path: str | Path | None) -> Path | None:
    return None if path is None else Path(path)
