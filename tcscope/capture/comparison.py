"""One ONNX file in several precisions: each is built and recorded on its own, and compared with the first."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tcscope.analysis.difference.reports import compare
from tcscope.capture.build import CALIBRATED
from tcscope.capture.folder import Folder, folder_for
from tcscope.capture.job import Job, Wish
from tcscope.capture.process import InterruptedCaptureError
from tcscope.capture.session import carry_out
from tcscope.errors import TcscopeError
from tcscope.model import Diff, Report


@dataclass(frozen=True)
class Compared:
    """What came of it: the precisions recorded, the diffs of two each, and why others failed."""

    recorded: tuple[str, ...]
    diffs: Mapping[tuple[str, str], Diff]
    failures: Mapping[str, TcscopeError]


def each(wish: Wish, precisions: Sequence[str]) -> dict[str, Wish]:
    """A wish for each precision, with a folder of its own within that of all. Raises UsageError."""
    if wish.build is None or wish.engine is None:
        raise ValueError("precisions are compared of a network")
    parent = folder_of_all(wish)
    parent.check(force=wish.force)
    made = {}
    for precision in precisions:
        calib = wish.build.calib if precision in CALIBRATED else None
        build = replace(wish.build, precision=precision, calib=calib)
        engine = replace(wish.engine, plan=Path(f"{wish.build.model.stem}.{precision}.plan"))
        made[precision] = replace(wish, build=build, engine=engine, folder=parent.path / precision)
    return made


def folder_of_all(wish: Wish) -> Folder:
    """The folder that holds one of each precision."""
    model = wish.build.model if wish.build is not None else Path("model")
    return folder_for(wish.folder, model.stem)


def diff_path(folder: Path, base: str, new: str, suffix: str) -> Path:
    """Where the diff of two precisions is kept."""
    return folder / f"diff-{base}-{new}{suffix}"


def command_lines(jobs: Mapping[str, Job], folder: Path) -> list[str]:
    """What will be run, as a shell takes it."""
    made = [line for job in jobs.values() for line in job.command_lines()]
    base, *others = jobs
    for new in others:
        reports = [str(jobs[name].folder.report) for name in (base, new)]
        made.append(shlex.join(["tcscope", "diff", *reports, "-o", str(diff_path(folder, base, new, ".json"))]))
    return made


def carry_out_each(jobs: Mapping[str, Job], rules: Iterable[str | Path] = ()) -> Compared:
    """Build, record and analyze each; one that fails doesn't stop the others, Ctrl-C does."""
    rules = list(rules)
    reports: dict[str, Report] = {}
    failures: dict[str, TcscopeError] = {}
    for number, (precision, job) in enumerate(jobs.items(), 1):
        print(f"note: {precision} ({number} of {len(jobs)})", file=sys.stderr)
        try:
            captured = carry_out(job, rules)
        except InterruptedCaptureError as stop:
            failures[precision] = stop
            break
        except TcscopeError as failure:
            failures[precision] = failure
            if number < len(jobs):
                print(f"note: {precision} failed, the others go on", file=sys.stderr)
            continue
        if captured.trouble is not None:
            failures[precision] = captured.trouble
        reports[precision] = captured.report
        if captured.interrupted:
            break
    return Compared(tuple(reports), _diffs(reports), failures)


def _diffs(reports: Mapping[str, Report]) -> dict[tuple[str, str], Diff]:
    base, *others = reports or [""]
    return {(base, new): compare(reports[base], reports[new]) for new in others}
