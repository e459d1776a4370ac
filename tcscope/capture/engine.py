"""How an engine is run: by the runner under a Python that has TensorRT, or by trtexec."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from tcscope.capture.runner.plan import BUILDERS, MODULES
from tcscope.errors import TraceError, UsageError

RUNNER = Path(__file__).with_name("runner")
# Where packages of TensorRT put trtexec when it is not on the PATH.
TRTEXEC_FOLDERS = ("/usr/src/tensorrt/bin", "/usr/local/tensorrt/bin", "/opt/tensorrt/bin")
_PROBE = (
    "import importlib.util as u, sys; "
    "print('%d.%d' % sys.version_info[:2], *[n for n in sys.argv[1:] if u.find_spec(n)])"
)
_OLDEST = (3, 8)
_SILENT_S = 60
_FIRST_WITH_GRAPHS = "--noCudaGraph"  # an option of TensorRT 11, where CUDA graphs are on by default


@dataclass(frozen=True)
class EngineRun:
    """An engine and how to run it."""

    plan: Path
    iterations: int = 20
    warmup: int = 5
    shapes: str = ""
    inputs: Path | None = None
    seed: int = 0
    cuda_graph: bool = False
    dla_core: int | None = None
    plugins: tuple[str, ...] = ()


@dataclass(frozen=True)
class Runner:
    """Runs engines with a Python that has TensorRT."""

    python: str
    module: str = ""
    profiler_range = True  # it calls cudaProfilerStart and cudaProfilerStop

    def measured(self, run: EngineRun) -> list[str]:
        """The command to record."""
        graph = ["--cuda-graph"] if run.cuda_graph else []
        return [*self._common(run), *graph]

    def described(self, run: EngineRun, layers: Path, profile: Path) -> list[str]:
        """The command that writes what the layers are, and how long each takes."""
        return [*self._common(run), "--layer-info", str(layers), "--layer-profile", str(profile)]

    def _common(self, run: EngineRun) -> list[str]:
        made = [self.python, str(RUNNER), str(run.plan)]
        made += ["--iterations", str(run.iterations), "--warmup", str(run.warmup)]
        if run.inputs is not None:
            made += ["--inputs", str(run.inputs)]
        return [*made, *self.given(run)]

    def given(self, run: EngineRun) -> list[str]:
        """The options that are the same for building an engine and for running it."""
        made = ["--shapes", run.shapes] if run.shapes else []
        if run.seed:
            made += ["--seed", str(run.seed)]
        if run.dla_core is not None:
            made += ["--dla-core", str(run.dla_core)]
        for plugin in run.plugins:
            made += ["--plugin", plugin]
        if self.module == "tensorrt_rtx":  # else the runner takes the first that is there
            made += ["--module", self.module]
        return made


@dataclass(frozen=True)
class Trtexec:
    """Runs engines with trtexec; `options` are those its help names, `note` says why it was chosen."""

    path: str
    options: frozenset[str] = frozenset()
    note: str = field(default="", compare=False)
    profiler_range = False

    def measured(self, run: EngineRun) -> list[str]:
        """The command to record: so many inferences, however short they are."""
        made = [*self._common(run), "--duration=0"]
        if run.cuda_graph:
            return [*made, "--useCudaGraph"] if _FIRST_WITH_GRAPHS not in self.options else made
        return [*made, _FIRST_WITH_GRAPHS] if _FIRST_WITH_GRAPHS in self.options else made

    def described(self, run: EngineRun, layers: Path, profile: Path) -> list[str]:
        """The command that writes what the layers are, and how long each takes."""
        return [*self._common(run), "--duration=0", f"--exportLayerInfo={layers}", f"--exportProfile={profile}"]

    def _common(self, run: EngineRun) -> list[str]:
        if run.inputs is not None or run.seed:
            raise UsageError("trtexec takes neither --inputs nor --seed", "use a Python that has TensorRT: --python")
        made = [self.path, f"--loadEngine={run.plan}", f"--iterations={run.iterations}"]
        made.append(f"--warmUp={0 if run.warmup == 0 else 200}")  # it counts in ms
        return [*made, *self.given(run)]

    def given(self, run: EngineRun) -> list[str]:
        """The options that are the same for building an engine and for running it."""
        made = [f"--shapes={run.shapes}"] if run.shapes else []
        if run.dla_core is not None:
            made.append(f"--useDLACore={run.dla_core}")
        plugins = "--staticPlugins" if "--staticPlugins" in self.options else "--plugins"
        return made + [f"{plugins}={plugin}" for plugin in run.plugins]


def choose(python: str | None, *, trtexec: bool, building: bool = False) -> Runner | Trtexec:
    """What can run (or build) an engine here: the runner, or trtexec where it is asked for or no Python has TensorRT.

    Raises TraceError where there is neither, UsageError where `python` is no Python.
    """
    if trtexec:
        found = find_trtexec()
        if found is None:
            raise TraceError(
                "there is no trtexec, neither on the PATH nor in /usr/src/tensorrt/bin", "export PATH=$PATH:FOLDER"
            )
        return found
    runner = probe(python or sys.executable, BUILDERS if building else MODULES)
    if runner.module:
        return runner
    found = find_trtexec()
    if found is not None:
        return replace(found, note=f"{runner.python} has no TensorRT: {found.path} runs the engine")
    hint = "--python /usr/bin/python3  # an interpreter that has it; on Jetson it is the system's"
    if python is not None:
        hint = f"{runner.python} -m pip install tensorrt  # or give another --python"
    what = "TensorRT module that builds engines" if building else "TensorRT module"
    raise TraceError(f"{runner.python} has no {what}, and there is no trtexec", hint)


def probe(python: str, modules: Sequence[str] = MODULES) -> Runner:
    """The runner under an interpreter, with the TensorRT module that is there. Raises UsageError where it is none."""
    path, version, found = _asked(python, modules)
    if version < _OLDEST:
        told = ".".join(map(str, version))
        raise UsageError(f"{path} is Python {told}, and the runner needs 3.8 or newer", "--python /usr/bin/python3.8")
    return Runner(path, found[0] if found else "")


def lacking(python: str | None, modules: Sequence[str]) -> list[str]:
    """Those of the modules that an interpreter doesn't have; None is tcscope's own. Raises UsageError."""
    _, _, found = _asked(python or sys.executable, modules)
    return [name for name in modules if name not in found]


def _asked(python: str, modules: Sequence[str]) -> tuple[str, tuple[int, ...], list[str]]:
    """An interpreter's path and version, and those of the modules that it has. Raises UsageError where it is none."""
    path = shutil.which(python)
    if path is None:
        raise UsageError(f"--python is '{python}', which is no program", "--python /usr/bin/python3")
    try:
        done = subprocess.run(  # noqa: S603 - the interpreter that the user names
            [path, "-c", _PROBE, *modules],
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            timeout=_SILENT_S,
        )
        version, *found = done.stdout.split() or [""]
        return path, tuple(int(part) for part in version.split(".")), found
    except (OSError, ValueError, subprocess.TimeoutExpired) as error:
        raise UsageError(
            f"--python is '{python}', which does not run as a Python", "--python /usr/bin/python3"
        ) from error


def find_trtexec() -> Trtexec | None:
    """The trtexec on the PATH or where packages put it."""
    found = shutil.which("trtexec")
    if found is None:
        found = next((path for folder in TRTEXEC_FOLDERS if (path := shutil.which(f"{folder}/trtexec"))), None)
    if found is None:
        return None
    try:
        done = subprocess.run(  # noqa: S603 - the trtexec that was found
            [found, "--help"], capture_output=True, text=True, errors="replace", check=False, timeout=_SILENT_S
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise TraceError(f"can't run {found}: {error}", "use a Python that has TensorRT: --python") from error
    return Trtexec(found, frozenset(re.findall(r"--[A-Za-z]\w*", done.stdout + done.stderr)))
