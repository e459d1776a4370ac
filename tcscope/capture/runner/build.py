"""Building an engine from an ONNX file: `PYTHON tcscope/capture/runner MODEL.onnx --build ENGINE.plan`."""

from __future__ import annotations

import argparse
import os
import sys
from typing import Any

from tcscope.capture.runner.calibration import calibrator_for
from tcscope.capture.runner.cuda import Cuda
from tcscope.capture.runner.failure import FAILED, NO_DEVICE, NO_ENGINE, USAGE, RunError
from tcscope.capture.runner.memory import open_memory
from tcscope.capture.runner.network import add_profile, choose_shapes, parse_onnx
from tcscope.capture.runner.plan import BUILDERS, import_tensorrt, logger_of, open_plugins, register_plugins
from tcscope.capture.runner.precision import set_precision
from tcscope.capture.runner.progress import Progress, watch
from tcscope.capture.runner.samples import is_cache
from tcscope.capture.runner.shapes import Shape, parse_shapes

_WORKSPACE = 1 << 30  # bytes, for TensorRT before 8.4, which otherwise takes next to none


def build(args: argparse.Namespace) -> None:
    """Parse, choose, build, write the plan. Raises RunError."""
    shapes = parse_shapes(args.shapes)
    for path in (args.engine, args.calib):
        if path:
            is_cache(path)  # raises where it can't be read
    cuda = Cuda()  # before TensorRT, which crashes where there is no GPU
    trt = import_tensorrt([args.module] if args.module else BUILDERS, needs="Builder")
    logger = logger_of(trt)
    open_plugins(args.plugin)
    register_plugins(trt, logger)
    try:
        builder = trt.Builder(logger)
    except TypeError as error:  # what the bindings make of a null pointer
        raise RunError(
            NO_DEVICE, "TensorRT could not start its builder: its own words are above", "nvidia-smi"
        ) from error
    network = parse_onnx(trt, logger, builder, args.engine)
    _write(args.build, build_network(args, trt, logger, builder, network, shapes, cuda))


def build_network(
    args: argparse.Namespace, trt: Any, logger: Any, builder: Any, network: Any, wanted: dict[str, Shape], cuda: Any
) -> Any:
    """The plan of a parsed network. Raises RunError."""
    shapes = choose_shapes(network, wanted)
    config = builder.create_builder_config()
    _configure(args, trt, config)
    profile = add_profile(builder, config, network, shapes)
    calibrator = None
    if set_precision(trt, builder, config, network, args.engine, args.precision):
        calibrator = calibrator_for(
            trt, open_memory(cuda), network, shapes, args.calib, args.seed, args.calibration_cache
        )
        config.int8_calibrator = calibrator
        if profile is not None:
            config.set_calibration_profile(profile)
    elif args.calib:
        print("note: --calib is not used: nothing in this engine is calibrated", file=sys.stderr)
    plan = _built(trt, builder, network, config, os.path.basename(args.build))
    if calibrator is not None and calibrator.failure is not None:
        raise calibrator.failure
    if plan is None:
        why = logger.errors[-1] if logger.errors else "it doesn't say why"
        what = f"TensorRT {trt.__version__} could not build {args.precision} of {args.engine}: {why}"
        raise RunError(NO_ENGINE, what, _remedy(why, args.engine, shapes))
    return plan


def _remedy(why: str, model: str, shapes: dict[str, Shape]) -> str:
    """What helps where TensorRT says why it can't build, as far as that is known."""
    if "dimensions with this name are inconsistent" in why:  # an exporter named unlike sizes alike, such as `?`
        fixed = " ".join(f"{name}:[{','.join(map(str, shape))}]" for name, shape in shapes.items())
        return f"polygraphy surgeon sanitize {model} --override-input-shapes {fixed} -o fixed.onnx"
    return "TensorRT's own words are above"


def _configure(args: argparse.Namespace, trt: Any, config: Any) -> None:
    """What goes for every precision."""
    if hasattr(trt, "ProfilingVerbosity"):
        config.profiling_verbosity = trt.ProfilingVerbosity.DETAILED  # else the layers have names only
    if not hasattr(config, "set_memory_pool_limit"):
        config.max_workspace_size = _WORKSPACE
    if args.tactic_sources:
        config.set_tactic_sources(_tactic_sources(trt, args.tactic_sources))
    if args.dla_core is not None:
        if not hasattr(trt.DeviceType, "DLA"):
            raise RunError(USAGE, f"TensorRT {trt.__version__} knows no DLA", "leave --dla-core out")
        config.default_device_type = trt.DeviceType.DLA
        config.DLA_core = args.dla_core
        config.set_flag(trt.BuilderFlag.GPU_FALLBACK)


def _tactic_sources(trt: Any, text: str) -> int:
    """The bits of `EDGE_MASK_CONVOLUTIONS,JIT_CONVOLUTIONS`. Raises RunError."""
    known = sorted(name for name in dir(getattr(trt, "TacticSource", None)) if name.isupper())
    bits = 0
    for word in text.split(","):
        name = word.strip().upper()
        if name not in known:
            raise RunError(USAGE, f"this TensorRT has no tactic source '{word.strip()}'", "it has: " + ", ".join(known))
        bits |= 1 << int(getattr(trt.TacticSource, name))
    return bits


def _built(trt: Any, builder: Any, network: Any, config: Any, name: str) -> Any:
    """What the builder makes, or None."""
    progress = Progress(f"building {name}")
    monitor = watch(trt, config, progress)
    try:
        with progress:
            plan = builder.build_serialized_network(network, config)
    except Exception as error:  # of the bindings; TensorRT itself logs
        raise RunError(FAILED, f"TensorRT {trt.__version__} could not build {name}: {error}") from error
    del monitor
    if plan is not None:
        print(f"note: built {name} in {progress.seconds:.0f} s", file=sys.stderr)
    return plan


def _write(path: str, plan: Any) -> None:
    """Write the plan; a half-written one never has its name."""
    part = path + ".part"
    try:
        with open(part, "wb") as file:
            file.write(plan)
        os.replace(part, path)
    except OSError as error:
        if os.path.exists(part):
            os.remove(part)
        raise RunError(USAGE, f"can't write {path}: {error.strerror}", "-o FOLDER, where there is room") from error
