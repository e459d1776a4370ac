"""Loading an engine: the TensorRT module that is there, its own words, and ours for why a plan can't be loaded."""

from __future__ import annotations

import ctypes
import importlib
import re
import sys
from typing import Any, Sequence

from tcscope.capture.runner.failure import BAD_PLAN, NO_TENSORRT, USAGE, RunError

MODULES = ("tensorrt", "tensorrt_lean", "tensorrt_dispatch", "tensorrt_rtx")
BUILDERS = ("tensorrt", "tensorrt_rtx")  # the others run what these build
_OTHER_VERSION = re.compile(
    r"version tag does not match|expecting library version|expects? .*version"
    r"|serialization version|kSERIALIZATION_VERSION|not compatible with this version",
    re.I,
)
_OTHER_GPU = re.compile(
    r"incompatible device|different (?:device|gpu)|expecting compute|compute capability|platform", re.I
)
_PLUGIN = re.compile(r"plugin", re.I)
_KEPT: list[Any] = []  # an engine must not outlive its runtime, nor that its logger


def import_tensorrt(names: Sequence[str] = MODULES, needs: str = "Runtime") -> Any:
    """The first TensorRT module that can be imported and has what is needed."""
    said = []
    for name in names:
        try:
            module = importlib.import_module(name)
        except Exception as error:  # also a module of which a library is missing
            said.append(f"{name}: {error}")
            continue
        if hasattr(module, needs):
            return module
        said.append(f"{name}: it has no {needs}")
    raise RunError(
        NO_TENSORRT,
        "no TensorRT in {}: {}".format(sys.executable, "; ".join(said)),
        "--python /usr/bin/python3  # the interpreter that has it (on Jetson the system's), or --trtexec",
    )


def logger_of(trt: Any) -> Any:
    """A logger that prints warnings and errors and keeps them in `.said`."""

    class Logger(trt.ILogger):  # type: ignore[misc] # TensorRT is another interpreter's
        def __init__(self) -> None:
            trt.ILogger.__init__(self)
            self.said: list[str] = []
            self.errors: list[str] = []

        def log(self, severity: Any, message: str) -> None:
            if severity in (self.INTERNAL_ERROR, self.ERROR, self.WARNING):
                level = "W" if severity == self.WARNING else "E"
                print(f"[TensorRT] [{level}] {message}", file=sys.stderr, flush=True)
                self.said.append(message)
                if level == "E":
                    self.errors.append(message)

    return Logger()


def load_engine(trt: Any, logger: Any, path: str, plugins: Sequence[str] = (), dla_core: int | None = None) -> Any:
    """The engine of a plan file. Raises RunError, once TensorRT has said its part."""
    try:
        with open(path, "rb") as file:
            plan = file.read()
    except OSError as error:
        raise RunError(USAGE, f"can't read {path}: {error.strerror}") from error
    open_plugins(plugins)
    runtime = trt.Runtime(logger)
    if dla_core is not None:
        runtime.DLA_core = dla_core
    if plugins:
        register_plugins(trt, logger)
    engine = _deserialized(runtime, logger, plan)
    if engine is None and not plugins and any(_PLUGIN.search(line) for line in logger.said):
        del logger.said[:]
        register_plugins(trt, logger)  # TensorRT's own, which it does not register by itself
        engine = _deserialized(runtime, logger, plan)
    if engine is None:
        raise _why_not(trt, path, plan, " ".join(logger.said))
    _KEPT.append((engine, runtime, logger))
    return engine


def _deserialized(runtime: Any, logger: Any, plan: bytes) -> Any:
    try:
        return runtime.deserialize_cuda_engine(plan)
    except Exception as error:  # some versions raise what others log
        logger.said.append(str(error))
        print(f"[TensorRT] [E] {error}", file=sys.stderr, flush=True)
        return None


def open_plugins(libraries: Sequence[str]) -> None:
    """Load libraries of plugins, which then register themselves. Raises RunError."""
    for library in libraries:
        try:
            ctypes.CDLL(library, mode=ctypes.RTLD_GLOBAL)
        except OSError as error:
            raise RunError(USAGE, f"can't load the plugins of {library}: {error}") from error


def register_plugins(trt: Any, logger: Any) -> None:
    """Make TensorRT's own plugins known."""
    if hasattr(trt, "init_libnvinfer_plugins"):
        trt.init_libnvinfer_plugins(logger, "")


def _why_not(trt: Any, path: str, plan: bytes, said: str) -> RunError:
    version = getattr(trt, "__version__", "of this machine")
    if plan[:4] in (b"\x7fELF", b"PK\x03\x04") or plan[:2] in (b"\x08\x03", b"\x08\x07", b"\x08\x08", b"\x08\x09"):
        return RunError(
            BAD_PLAN,
            f"{path} is no TensorRT engine, but perhaps a model (ONNX, PyTorch)",
            "trtexec --onnx=MODEL.onnx --saveEngine=ENGINE.plan --profilingVerbosity=detailed",
        )
    if _OTHER_GPU.search(said):
        reason, hint = "was built for another GPU", "build it on this machine: an engine is made for one GPU"
    elif _OTHER_VERSION.search(said):
        reason, hint = f"was built with another TensorRT than {version}", "build it again with this TensorRT"
    elif _PLUGIN.search(said):
        reason, hint = "needs a plugin that is not loaded", "--plugin LIBRARY.so"
    else:
        reason, hint = f"can't be loaded by TensorRT {version}", "build it again, on this machine"
    return RunError(BAD_PLAN, f"{path} {reason}", hint)
