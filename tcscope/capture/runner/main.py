"""The runner's command line."""

from __future__ import annotations

import argparse
import signal
import sys
from typing import Any

from tcscope.capture.runner.build import build
from tcscope.capture.runner.cuda import Cuda
from tcscope.capture.runner.failure import USAGE, RunError, complain
from tcscope.capture.runner.feed import Feed, connect
from tcscope.capture.runner.memory import open_memory
from tcscope.capture.runner.passes import Inference, layer_info, layer_profile, measure
from tcscope.capture.runner.plan import MODULES, import_tensorrt, load_engine, logger_of
from tcscope.capture.runner.precision import PRECISIONS
from tcscope.capture.runner.shapes import parse_shapes
from tcscope.capture.runner.tensors import open_tensors
from tcscope.capture.runner.values import read_npz


def parser() -> argparse.ArgumentParser:
    """The command line."""
    made = argparse.ArgumentParser(prog="runner", description="Run a TensorRT engine, to be recorded by nsys.")
    made.add_argument("engine", metavar="ENGINE")
    made.add_argument("--iterations", type=int, default=20, metavar="N")
    made.add_argument("--warmup", type=int, default=5, metavar="N")
    made.add_argument("--shapes", default="", metavar="NAME:1x3x224x224,...")
    made.add_argument("--inputs", metavar="FILE.npz")
    made.add_argument("--seed", type=int, default=0, metavar="N")
    made.add_argument("--cuda-graph", action="store_true")
    made.add_argument("--dla-core", type=int, metavar="N")
    made.add_argument("--plugin", action="append", default=[], metavar="LIBRARY")
    made.add_argument("--module", choices=MODULES, help="the TensorRT to use (default: the first that is there)")
    made.add_argument("--api", choices=("auto", "tensors", "bindings"), default="auto")
    made.add_argument("--layer-info", metavar="FILE", help="write what trtexec's --exportLayerInfo writes")
    made.add_argument("--layer-profile", metavar="FILE", help="write what trtexec's --exportProfile writes")
    built = made.add_argument_group("to build instead: ENGINE is then an ONNX file")
    built.add_argument("--build", metavar="ENGINE.plan", help="write the engine here, and don't run it")
    built.add_argument("--precision", choices=PRECISIONS, default="best")
    built.add_argument("--calib", metavar="FILE", help="an .npz of samples, or a calibration cache")
    built.add_argument("--calibration-cache", metavar="FILE", help="keep here what the calibration found")
    built.add_argument("--tactic-sources", metavar="NAME,...", default="")
    return made


def main(argv: list[str] | None = None) -> int:
    """Run the engine; the exit code says what went wrong."""
    args = parser().parse_args(argv)
    if args.build:  # Ctrl-C then ends it at once: TensorRT does not come back to Python before it is done
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        build(args) if args.build else run(args)
    except RunError as failure:
        complain(failure)
        return failure.code
    return 0


def run(args: argparse.Namespace) -> None:
    """Load, connect, run. Raises RunError."""
    if args.iterations < 1 or args.warmup < 0:
        raise RunError(USAGE, "--iterations takes 1 or more, --warmup 0 or more")
    feed = Feed(parse_shapes(args.shapes), read_npz(args.inputs) if args.inputs else {}, args.seed)
    cuda = Cuda()  # before TensorRT, which crashes where there is no GPU
    trt = import_tensorrt([args.module] if args.module else MODULES)
    memory = open_memory(cuda)
    logger = logger_of(trt)
    engine = load_engine(trt, logger, args.engine, args.plugin, args.dla_core)
    context = engine.create_execution_context()
    if context is None:
        raise RunError(USAGE, "TensorRT made no execution context: its own words are above", "nvidia-smi")
    tensors = open_tensors(trt, engine, context, args.api)
    kept = connect(tensors, memory, feed)
    print(
        f"note: {trt.__name__} {trt.__version__}, memory by {memory.name}, {tensors.name} API",
        file=sys.stderr,
    )
    inference = Inference(cuda, tensors)
    if args.layer_info or args.layer_profile:
        _describe(args, trt, engine, context, inference)
    else:
        measure(cuda, inference, args.warmup, args.iterations, args.cuda_graph)
    del kept


def _describe(args: argparse.Namespace, trt: Any, engine: Any, context: Any, inference: Inference) -> None:
    if args.layer_info:
        _write(args.layer_info, layer_info(trt, engine, context))
    if args.layer_profile:
        _write(args.layer_profile, layer_profile(trt, context, inference, args.warmup, args.iterations))


def _write(path: str, text: str) -> None:
    if not text:
        return
    try:
        with open(path, "w", encoding="utf-8") as file:
            file.write(text + "\n")
    except OSError as error:
        raise RunError(USAGE, f"can't write {path}: {error.strerror}") from error
