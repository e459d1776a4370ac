"""An engine that has yet to be built from an ONNX file: the command that builds it, by the runner or by trtexec."""

from __future__ import annotations

import mmap
import os
from dataclasses import dataclass
from pathlib import Path

from tcscope.capture.engine import RUNNER, EngineRun, Runner, Trtexec
from tcscope.capture.runner.failure import RunError
from tcscope.capture.runner.precision import PRECISIONS
from tcscope.capture.runner.samples import is_cache
from tcscope.errors import UsageError, did_you_mean

CALIBRATED = ("int8", "best")  # the precisions that a calibration is for
TACTIC_SOURCES = ("CUBLAS", "CUBLAS_LT", "CUDNN", "EDGE_MASK_CONVOLUTIONS", "JIT_CONVOLUTIONS")
_TRTEXEC_FLAGS = {"fp32": ["--noTF32"], "fp16": ["--fp16"], "int8": ["--int8", "--fp16"], "best": ["--best"]}
_RANDOM = "no --calib: trtexec calibrates at random; the answers mean nothing, which kernels run and how long holds"


@dataclass(frozen=True)
class EngineBuild:
    """What to build an engine of; shapes, seed, plugins and DLA core are those it is run with."""

    model: Path
    precision: str
    calib: Path | None = None
    tactic_sources: tuple[str, ...] = ()


def parse_precisions(text: str) -> tuple[str, ...]:
    """The words of `fp16,int8`. Raises UsageError."""
    words = [word.strip().lower() for word in text.split(",")]
    for word in words:
        if word not in PRECISIONS:
            hint = f"--precision {words[0] if words[0] in PRECISIONS else 'fp16'}  # of: {', '.join(PRECISIONS)}"
            raise UsageError(f"no precision '{word}'{did_you_mean(word, PRECISIONS)}", hint)
    if len(set(words)) < len(words):
        raise UsageError(f"--precision names one twice: {text}", f"--precision {','.join(dict.fromkeys(words))}")
    return tuple(words)


def parse_tactic_sources(text: str) -> tuple[str, ...]:
    """The words of `EDGE_MASK_CONVOLUTIONS,JIT_CONVOLUTIONS`; none for an empty text. Raises UsageError."""
    words = tuple(word.strip().upper() for word in text.split(",")) if text else ()
    for word in words:
        if word not in TACTIC_SOURCES:
            what = f"no tactic source '{word}'{did_you_mean(word, TACTIC_SOURCES)}"
            raise UsageError(what, f"--tactic-sources {','.join(TACTIC_SOURCES)}  # or some of them")
    return words


def check_words(build: EngineBuild) -> None:
    """Raise UsageError where the words don't go together."""
    if build.model.suffix.lower() != ".onnx":
        raise UsageError(f"--precision builds an engine of a .onnx file, and {build.model} is none", "leave it out")
    if build.calib is not None and build.precision not in CALIBRATED:
        raise UsageError(f"--calib is for {' and '.join(CALIBRATED)}, not for {build.precision}", "leave it out")


def check_build(build: EngineBuild) -> None:
    """Raise UsageError where a file is missing, or where the words don't go together."""
    check_words(build)
    check_files(build)


def check_files(build: EngineBuild, hint: str = "tcscope profile MODEL.onnx --precision int8 --calib DATA.npz") -> None:
    """Raise UsageError, with this hint, where a file is missing or can't be read."""
    for path, what in ((build.model, "network"), (build.calib, "calibration data")):
        if path is not None and not path.is_file():
            raise UsageError(f"no such {what}: {path}", hint)
        if path is not None and not os.access(path, os.R_OK):
            raise UsageError(f"no permission to read {path}", f"chmod u+r {path}")


def build_command(how: Runner | Trtexec, build: EngineBuild, run: EngineRun, cache: Path) -> list[str]:
    """The command that writes `run.plan`; `cache` is where the calibration is kept. Raises UsageError."""
    return _by_trtexec(how, build, run) if isinstance(how, Trtexec) else _by_runner(how, build, run, cache)


def build_notes(how: Runner | Trtexec, build: EngineBuild) -> tuple[str, ...]:
    """What the user should know of a build by trtexec; the runner says its part itself."""
    if not isinstance(how, Trtexec) or build.precision not in CALIBRATED or build.calib is not None:
        return ()
    return () if _strongly_typed(how) or _quantizes(build.model) else (_RANDOM,)


def _by_runner(how: Runner, build: EngineBuild, run: EngineRun, cache: Path) -> list[str]:
    made = [how.python, str(RUNNER), str(build.model), "--build", str(run.plan), "--precision", build.precision]
    if build.calib is not None:
        made += ["--calib", str(build.calib), "--calibration-cache", str(cache)]
    if build.tactic_sources:
        made += ["--tactic-sources", ",".join(build.tactic_sources)]
    return [*made, *how.given(run)]


def _by_trtexec(how: Trtexec, build: EngineBuild, run: EngineRun) -> list[str]:
    if build.calib is not None and build.calib.is_file() and not _is_cache(build.calib):
        what = f"trtexec calibrates with a calibration cache, and {build.calib} holds arrays"
        raise UsageError(what, "use a Python that has TensorRT: --python; it leaves a NAME.calib.cache for trtexec")
    made = [how.path, f"--onnx={build.model}", f"--saveEngine={run.plan}"]
    if _strongly_typed(how):
        if build.precision == "int8" and build.model.is_file() and not _quantizes(build.model):
            what = f"this trtexec takes the types of the ONNX: int8 needs Q/DQ nodes, and {build.model.name} has none"
            hint = f"python3 -m modelopt.onnx.quantization --onnx_path {build.model} --quantize_mode int8"
            raise UsageError(what, hint)
        made += ["--noTF32"] if build.precision == "fp32" else []
    else:
        made += _TRTEXEC_FLAGS[build.precision]
        made += [f"--calib={build.calib}"] if build.calib is not None else []
    # before 8.4 the option was called otherwise, and before 8.6 the other
    made.append("--nvtxMode=verbose" if "--nvtxMode" in how.options else "--profilingVerbosity=detailed")
    made.append("--buildOnly" if "--buildOnly" in how.options else "--skipInference")
    if build.tactic_sources:
        signed = ("+" + name if name in build.tactic_sources else "-" + name for name in TACTIC_SOURCES)
        made.append(f"--tacticSources={','.join(signed)}")
    fallback = ["--allowGPUFallback"] if run.dla_core is not None else []
    return [*made, *how.given(run), *fallback]


def _strongly_typed(how: Trtexec) -> bool:
    """Whether it is TensorRT 11's, which has no options of precisions any more."""
    return bool(how.options) and "--fp16" not in how.options


def _is_cache(path: Path) -> bool:
    try:
        return is_cache(str(path))
    except RunError as failure:
        raise UsageError(failure.message, failure.hint) from failure


def _quantizes(model: Path) -> bool:
    """Whether the name of the operator stands in the file: all that is known of an ONNX without a parser."""
    try:
        with model.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            return content.find(b"QuantizeLinear") >= 0
    except (OSError, ValueError):  # ValueError: it is empty
        return False
