"""The options of a recording, and what they ask for: shared by profile and compare-precisions."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from tcscope.cli.options import count_from_0, count_from_1
from tcscope.errors import UsageError

if TYPE_CHECKING:
    from tcscope.capture.build import EngineBuild
    from tcscope.capture.job import Wish

_OF_BUILDS = ("precision", "calib", "tactic_sources")
_OF_ENGINES = ("shapes", "inputs", "python", "trtexec", "cuda_graph", "dla_core", "plugin", *_OF_BUILDS)


def add_folder(parser: argparse._ActionsContainer) -> None:
    """`-o`, `--force` and `--dry-run`."""
    parser.add_argument(
        "-o", "--output", metavar="DIR", type=Path, help="the folder that keeps all files (default: tcscope-NAME)"
    )
    parser.add_argument("--force", action="store_true", help="write over an earlier capture in DIR")
    parser.add_argument("--dry-run", action="store_true", help="print the command lines and run none of them")


def add_recording(group: argparse._ActionsContainer) -> None:
    """How nsys records."""
    group.add_argument("--nsys", metavar="PATH", help="the nsys to use (default: $NSYS, PATH, the usual folders)")
    group.add_argument(
        "--gpu-metrics", action="store_true", help="sample the GPU's counters too: Tensor activity; may need root"
    )


def add_engine(group: argparse._ActionsContainer) -> None:
    """How an engine is run."""
    group.add_argument("--iterations", metavar="N", type=count_from_1, default=20, help="inferences (default 20)")
    group.add_argument("--warmup", metavar="N", type=count_from_0, default=5, help="inferences before them (default 5)")
    group.add_argument("--shapes", metavar="S", default="", help="of dynamic inputs: name:1x3x224x224,other:1x8")
    group.add_argument("--inputs", metavar="FILE", type=Path, help="arrays for the inputs (.npz; default: random)")
    group.add_argument("--seed", metavar="N", type=count_from_0, default=0, help="of the random inputs (default 0)")
    group.add_argument("--cuda-graph", action="store_true", help="run it as a CUDA graph")
    group.add_argument("--dla-core", metavar="N", type=count_from_0, help="run it on this DLA core (Jetson)")
    group.add_argument("--plugin", metavar="FILE", action="append", default=[], help="load this library of plugins")
    group.add_argument("--python", metavar="PATH", help="the Python that has TensorRT (default: tcscope's own)")
    group.add_argument("--trtexec", action="store_true", help="run it with trtexec instead of Python")


def add_build(group: argparse._ActionsContainer) -> None:
    """How an engine is built, in whichever precision."""
    group.add_argument(
        "--calib", metavar="FILE", type=Path, help="for INT8: samples, an .npz of arrays named as the inputs"
    )
    group.add_argument(
        "--tactic-sources", metavar="NAMES", default="", help="let TensorRT choose from these only: CUDNN,CUBLAS,..."
    )


def wish_of(args: argparse.Namespace, precision: str | None) -> Wish:
    """What the arguments ask for; with a precision, an engine that is built first."""
    from tcscope.capture.engine import EngineRun
    from tcscope.capture.job import Wish

    if bool(args.engine) == bool(args.program):
        what = f"both an engine ({args.engine}) and a command" if args.engine else "neither an engine nor a command"
        raise UsageError(what, "tcscope profile ENGINE, or: tcscope profile -- COMMAND")
    strange = next((name for name in _OF_ENGINES if args.program and getattr(args, name)), None)
    if strange is not None:
        raise UsageError(f"--{strange.replace('_', '-')} is for engines, not for a command", "leave it out")
    build = _build(args, precision)
    engine = None
    if args.engine:
        engine = EngineRun(
            Path(args.engine) if build is None else Path(f"{build.model.stem}.{build.precision}.plan"),
            iterations=args.iterations,
            warmup=args.warmup,
            shapes=args.shapes,
            inputs=args.inputs,
            seed=args.seed,
            cuda_graph=args.cuda_graph,
            dla_core=args.dla_core,
            plugins=tuple(args.plugin),
        )
    return Wish(
        engine,
        tuple(args.program),
        args.output,
        force=args.force,
        nsys=args.nsys,
        python=args.python,
        trtexec=args.trtexec,
        gpu_metrics=args.gpu_metrics,
        range=args.range,
        counters=getattr(args, "counters", False),
        ncu=getattr(args, "ncu", None),
        build=build,
    )


def _build(args: argparse.Namespace, precision: str | None) -> EngineBuild | None:
    from tcscope.capture.build import EngineBuild, parse_tactic_sources

    if precision is None:
        if str(args.engine or "").lower().endswith(".onnx"):
            raise UsageError(
                f"{args.engine} is a network, of which an engine must be built: in which precision?",
                f"tcscope profile {args.engine} --precision fp16  # or fp32, int8, best; fp16,int8 compares",
            )
        strange = next((name for name in _OF_BUILDS if getattr(args, name)), None)
        if strange is not None:
            raise UsageError(f"--{strange.replace('_', '-')} is for building an engine", "--precision int8")
        return None
    return EngineBuild(Path(args.engine or ""), precision, args.calib, parse_tactic_sources(args.tactic_sources))
