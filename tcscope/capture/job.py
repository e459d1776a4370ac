"""A capture before it runs: what is recorded, with what, and where to. Whatever can be wrong is told here."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path

from tcscope.capture import counters as counting
from tcscope.capture import engine as engines
from tcscope.capture import nsys as recorder
from tcscope.capture.build import EngineBuild, build_command, build_notes, check_build, check_words
from tcscope.capture.engine import EngineRun, Runner, Trtexec
from tcscope.capture.folder import Folder, folder_for
from tcscope.capture.runner.cuda import driver
from tcscope.capture.runner.failure import RunError
from tcscope.capture.runner.passes import RANGE
from tcscope.errors import TraceError, UsageError
from tcscope.sources.nsys_rep import export_command

_PYTHON = re.compile(r"python(\d+(\.\d+)*)?(\.exe)?$")
_NO_NSYS = "there is no nsys here: not in $NSYS, on the PATH, or in the usual folders"
_GET_NSYS = "install Nsight Systems (package nsight-systems, or with JetPack), or --nsys /path/to/nsys"


@dataclass(frozen=True)
class Wish:
    """What the user asks for: an engine, one to be built, or a program, and how."""

    engine: EngineRun | None = None
    program: tuple[str, ...] = ()
    folder: Path | None = None
    force: bool = False
    nsys: str | None = None
    python: str | None = None
    trtexec: bool = False
    gpu_metrics: bool = False
    range: str | None = None
    build: EngineBuild | None = None
    counters: bool = False
    ncu: str | None = None


@dataclass(frozen=True)
class Job:
    """A wish that can be carried out; `subject` names it, `build` and `describe` are empty for a program.

    `count` is there where hardware counters were asked for.

    `range` is the NVTX range that is analyzed: the user's, or the runner's, which it makes only where nvtx is there.
    """

    subject: str
    folder: Folder
    nsys: Path
    record: tuple[str, ...]
    build: tuple[str, ...] = ()
    describe: tuple[str, ...] = ()
    engine: EngineRun | None = None
    range: str | None = None
    notes: tuple[str, ...] = field(default=(), compare=False)
    count: tuple[str, ...] = ()

    def command_lines(self) -> list[str]:
        """What will be run, as a shell takes it."""
        analyze = ["tcscope", "analyze", str(self.folder.sqlite)]
        if self.describe:
            analyze += ["--layers", str(self.folder.layers)]
        if self.range:
            analyze += ["--range", self.range]
        export = export_command(self.nsys, self.folder.recording, self.folder.sqlite)
        commands = [self.build, self.describe, self.record, export, [*analyze, "-o", str(self.folder.report)]]
        if self.count:
            verify = ["tcscope", "verify", str(self.folder.report), "--ncu", str(self.folder.counters)]
            commands += [self.count, verify]
        return [shlex.join(command) for command in commands if command]


def prepare(wish: Wish) -> Job:
    """The job, once everything is there. Raises UsageError and TraceError before anything runs."""
    _check_target(wish)
    folder = folder_for(wish.folder, _name(wish))
    folder.check(force=wish.force)
    nsys = recorder.open_nsys(wish.nsys)
    if nsys is None:
        raise TraceError(_NO_NSYS, _GET_NSYS)
    check_gpu()
    if wish.gpu_metrics:
        recorder.check_gpu_metrics(nsys)
    how = _chosen(wish) if wish.engine is not None else None
    ncu = counting.open_ncu(wish.ncu) if wish.counters else None
    if wish.counters and ncu is None:
        raise TraceError(counting.NO_NCU, counting.GET_NCU)
    return _job(wish, folder, nsys, how, ncu=ncu)


def outline(wish: Wish) -> Job:
    """The job as it would be, though something may be missing here; its notes say what."""
    if wish.build is not None:
        check_words(wish.build)
    folder = folder_for(wish.folder, _name(wish))
    notes = []
    nsys = recorder.open_nsys(wish.nsys)
    if nsys is None:
        notes.append(f"{_NO_NSYS}; shown for 2024.5 or newer")
        nsys = recorder.Nsys(Path("nsys"), "", recorder.NEWEST)
    how: Runner | Trtexec | None = None
    if wish.engine is not None:
        source = wish.build.model if wish.build is not None else wish.engine.plan
        if not source.is_file():
            notes.append(f"there is no {source} here")
        try:
            how = _chosen(wish)
        except (TraceError, UsageError) as error:
            notes.append(error.message)
            how = Trtexec("trtexec") if wish.trtexec else Runner(wish.python or sys.executable)
    ncu = counting.open_ncu(wish.ncu) if wish.counters else None
    if wish.counters and ncu is None:
        notes.append(f"{counting.NO_NCU}; shown for 2022.1 or newer, and an H100")
        ncu = counting.shown()
    return _job(wish, folder, nsys, how, tuple(notes), ncu)


def _job(
    wish: Wish,
    folder: Folder,
    nsys: recorder.Nsys,
    how: Runner | Trtexec | None,
    notes: tuple[str, ...] = (),
    ncu: counting.Ncu | None = None,
) -> Job:
    program, describe, engine, build = list(wish.program), [], wish.engine, []
    if isinstance(how, Trtexec) and how.note:
        notes = (*notes, how.note)
    if engine is not None and how is not None:
        if wish.build is not None:
            engine = replace(engine, plan=folder.plan)
            build = build_command(how, wish.build, engine, folder.calibration)
            notes += build_notes(how, wish.build)
        program = how.measured(engine)
        describe = how.described(engine, folder.layers, folder.profile)
    ranged = how is not None and how.profiler_range
    record = recorder.profile_command(
        str(nsys.path),
        nsys.options,
        folder.output,
        program,
        profiler_range=ranged,
        gpu_metrics=wish.gpu_metrics,
        session=f"tcscope-{os.getpid()}",
    )
    missed = recorder.missed(nsys.options, profiler_range=ranged)
    notes += tuple(f"nsys {nsys.version}: {what}" for what in missed)
    subject = f"the run of {engine.plan.name}" if engine is not None else (program or ["the program"])[0]
    within = wish.range or (RANGE if ranged else None)
    count = counting.counting_command(ncu, folder.counters, how, engine, program) if ncu is not None else []
    made = (subject, folder, nsys.path, tuple(record), tuple(build), tuple(describe), engine, within, notes)
    return Job(*made, count=tuple(count))


def _chosen(wish: Wish) -> Runner | Trtexec:
    return engines.choose(wish.python, trtexec=wish.trtexec, building=wish.build is not None)


def check_gpu() -> None:
    """Raise TraceError where there is no GPU to record."""
    try:
        driver()
    except RunError as failure:
        if not any(
            Path(device).exists() for device in ("/dev/nvhost-gpu", "/dev/nvgpu")
        ):  # a Jetson's, as it may be hidden
            raise TraceError(failure.message, failure.hint) from failure


def _check_target(wish: Wish) -> None:
    if wish.engine is None:
        if not wish.program:
            raise UsageError("nothing to record", "tcscope profile ENGINE, or: tcscope profile -- COMMAND")
        if shutil.which(wish.program[0]) is None:
            raise UsageError(f"no such program: {wish.program[0]}", "tcscope profile -- COMMAND [ARGUMENT ...]")
        return
    if wish.build is not None:
        check_build(wish.build)
    for path, what in ((wish.engine.plan if wish.build is None else None, "engine"), (wish.engine.inputs, "inputs")):
        if path is not None and not path.is_file():
            raise UsageError(
                f"no such {what}: {path}", "a TensorRT engine, such as model.plan" if what == "engine" else ""
            )
        if path is not None and not os.access(path, os.R_OK):
            raise UsageError(f"no permission to read {path}")


def _name(wish: Wish) -> str:
    """What names the files: the engine's name, or the program's (of `python train.py`: train)."""
    if wish.engine is not None:
        return wish.engine.plan.stem
    words = list(wish.program) or ["capture"]
    if _PYTHON.match(Path(words[0]).name):
        script = next((word for word in words[1:] if word.endswith(".py")), words[0])
        return Path(script).stem
    return Path(words[0]).stem
