"""Carrying a job out: build the engine, describe it, record, convert, export, analyze. What was written is kept."""

from __future__ import annotations

import json
import re
import shlex
import signal
import sys
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from tcscope.analysis.missing import inventory
from tcscope.analysis.pipeline import analyze
from tcscope.analysis.verify import verify
from tcscope.capture import nsys as recorder
from tcscope.capture.counters import count_launches
from tcscope.capture.job import Job
from tcscope.capture.process import Ended, InterruptedCaptureError, Log, run
from tcscope.capture.recover import convert
from tcscope.capture.runner.failure import CODES, COMPLAINT, USAGE
from tcscope.capture.runner.passes import RANGE
from tcscope.capture.runner.progress import TERMINAL
from tcscope.errors import TcscopeError, TraceError, UsageError
from tcscope.model import Report
from tcscope.model.inventory import Inventory
from tcscope.model.verification import Verification
from tcscope.sources import open_trace
from tcscope.sources.nsys_rep import run_export
from tcscope.wording import plain

_QUOTED = 5
_KILLED = 128
# What nsys itself prints around a program's output.
_OF_NSYS = re.compile(
    r"\s*(Generat(ing|ed)\b|Collecting data|Processing|Saved report|Saving temporary|Creating final|Importer error"
    r"|Unable to retrieve the importer|Capture range|The target application|WARNING:|\[\d+/\d+\]|\*"
    r"|.*\.(qdstrm|nsys-rep)$)"
)
_ELSEWHERE = re.compile(r"^\s*(?:\*\s*)?(/.*\.(?:nsys-rep|qdrep|qdstrm))\s*$")


@dataclass(frozen=True)
class Captured:
    """The analysis of a capture, and what is wrong with it all the same."""

    report: Report
    trouble: TcscopeError | None = None
    interrupted: bool = False
    verification: Verification | None = None


def carry_out(job: Job, rules: Iterable[str | Path] = ()) -> Captured:
    """Run the job. Raises UsageError and TraceError; the folder then holds what there is, and `log.txt` the rest."""
    job.folder.make()
    log = Log(job.folder.log)
    if job.build:
        _build(job, log)
    if job.describe:
        _describe(job, log)
    ended = _record(job, log)
    _convert(job, ended, log)
    run_export(job.nsys, _recording(job), job.folder.sqlite)
    report = _analyzed(job, ended, rules)
    try:
        job.folder.report.write_text(report.to_json(), encoding="utf-8")
    except OSError as error:
        hint = f"tcscope analyze {shlex.quote(str(job.folder.sqlite))}"
        raise UsageError(f"can't write {job.folder.report}: {error.strerror}", hint) from error
    trouble: TcscopeError | None = _trouble(job, ended)
    verification = None
    if job.count and ended.interrupted:
        print("note: interrupted, so that nothing is counted", file=sys.stderr)
    elif job.count:
        try:
            count_launches(job.count, job.folder.counters, log)
            verification = verify(report, job.folder.counters)
        except TcscopeError as error:  # the analysis stands without it
            trouble = trouble or error
    return Captured(report, trouble, ended.interrupted, verification)


def _build(job: Job, log: Log) -> None:
    """Build the engine, in a process of its own that is over before anything is recorded."""
    print(f"note: building {job.folder.plan}: seconds to many minutes", file=sys.stderr)
    ended = _run_engine(job, job.build, log)
    if ended.interrupted:
        raise InterruptedCaptureError("interrupted before the engine was built")
    if ended.code != 0 or not job.folder.plan.is_file():
        raise TraceError(_last_words(f"the build of {job.folder.plan.name}", ended), f"see {job.folder.log}")


def _describe(job: Job, log: Log) -> None:
    """Ask the engine for its layers, outside the recording; what is wrong with the engine shows here."""
    print("note: asking the engine for its layers, and timing each", file=sys.stderr)
    ended = _run_engine(job, job.describe, log)
    if ended.interrupted:
        raise InterruptedCaptureError("interrupted before anything was recorded")
    if ended.code != 0:
        raise TraceError(_last_words(job.subject, ended), f"see {job.folder.log}")


def _record(job: Job, log: Log) -> Ended:
    print(f"note: recording into {job.folder.path}", file=sys.stderr)
    job.folder.clear()
    if job.engine:
        ended = _run_engine(job, job.record, log)
    else:
        ended = run(job.record, log, stop=recorder.stop_command(job.record))
    if recorder.says_refused("\n".join(ended.lines)) and any("--gpu-metrics" in word for word in job.record):
        raise recorder.gpu_metrics_refused()
    return ended


def _run_engine(job: Job, command: Iterable[str], log: Log) -> Ended:
    """Run the runner, and raise what it complains of."""
    with tempfile.TemporaryDirectory(prefix="tcscope-") as temporary:
        complaint = Path(temporary) / "complaint.json"
        watched = {TERMINAL: "1"} if sys.stderr.isatty() else {}
        ended = run(list(command), log, {COMPLAINT: str(complaint), **watched})
        if complaint.exists() and ended.code in CODES:
            said = json.loads(complaint.read_text(encoding="utf-8"))
            kind = UsageError if ended.code == USAGE else TraceError
            raise kind(said["error"], said["hint"])
    return ended


def _recording(job: Job) -> Path:
    """The recording as this nsys names it."""
    old = job.folder.recording.with_name(f"{job.folder.name}.qdrep")
    return old if old.exists() and not job.folder.recording.exists() else job.folder.recording


def _convert(job: Job, ended: Ended, log: Log) -> None:
    """See that there is a recording. Raises TraceError where there is none and none can be made."""
    if _recording(job).exists():
        return
    if job.folder.raw.exists():
        print(f"note: nsys left {job.folder.raw.name} unconverted: running its importer", file=sys.stderr)
        convert(job.nsys, job.folder.raw, job.folder.recording, log)
        return
    elsewhere = [found[1] for line in ended.lines if (found := _ELSEWHERE.match(line)) and Path(found[1]).exists()]
    if elsewhere:
        raise TraceError(
            f"nsys could not write {job.folder.recording}, and left its recording in {elsewhere[-1]}",
            f"make room, then: mv {shlex.quote(elsewhere[-1])} {shlex.quote(str(job.folder.path))}",
        )
    if ended.interrupted:
        raise InterruptedCaptureError("interrupted before anything was recorded")
    raise TraceError(_last_words("nsys recorded nothing: " + job.subject, ended), f"see {job.folder.log}")


def _analyzed(job: Job, ended: Ended, rules: Iterable[str | Path]) -> Report:
    """The report of the export. Raises TraceError with the program's own words where there is no kernel in it."""
    path, rules = job.folder.sqlite, list(rules)
    held = _inventory(path)
    if held.launches == 0 and ended.code != 0 and not ended.interrupted:
        raise TraceError(_last_words(job.subject, ended, " before any kernel was recorded"), f"see {job.folder.log}")
    chosen = job.range
    if job.engine and chosen == RANGE and chosen not in {found.name for found in held.ranges}:
        chosen = None  # nvtx is not installed where the engine ran: the recording begins and ends with the inferences
    try:
        if job.folder.layers.exists():
            try:
                return analyze(path, range=chosen, layers=job.folder.layers, rules=rules)
            except TcscopeError as error:
                if held.launches == 0:
                    raise
                print(f"note: without {job.folder.layers.name}: {error.message}", file=sys.stderr)
        return analyze(path, range=chosen, rules=rules)
    except TraceError as error:
        if held.launches or not (said := _quoted(ended)):
            raise
        raise TraceError(f"{error.message}; {job.subject} said last:\n{said}", error.hint) from error


def _inventory(path: Path) -> Inventory:
    trace = open_trace(path)
    try:
        return inventory(trace)
    finally:
        trace.close()


def _trouble(job: Job, ended: Ended) -> TraceError | None:
    """What the user should know of a program that did not end well, though kernels were recorded."""
    if ended.interrupted:
        print("note: interrupted: this is what was recorded until then", file=sys.stderr)
        return None
    if ended.code == 0:
        return None
    return TraceError(_last_words(job.subject, ended), "what it ran until then is above, and in report.json")


def _last_words(who: str, ended: Ended, when: str = "") -> str:
    """`train.py ended with exit code 1, and said last: ...`."""
    name = next((known.name for known in signal.Signals if known == ended.code - _KILLED), None)
    how = f"was killed by {name}" if name else f"ended with exit code {ended.code}"
    said = _quoted(ended)
    return f"{who} {how}{when}" + (f", and said last:\n{said}" if said else ", and said nothing")


def _quoted(ended: Ended) -> str:
    own = [line for line in ended.lines if not _OF_NSYS.match(line)]
    return "\n".join(f"    {plain(line)[:200]}" for line in own[-_QUOTED:])
