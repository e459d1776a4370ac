"""`--polygraphy` and `--engine`: a sensitivity table from runs that Polygraphy recorded, or records now."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tcscope.cli.networks import network_of
from tcscope.cli.status import Status
from tcscope.errors import UsageError

if TYPE_CHECKING:
    from tcscope.model.sensitivity import Sensitivity


def add_recorded(group: argparse._ActionsContainer) -> None:
    """`--polygraphy FILE...`, and `--engine` with the options of its build."""
    group.add_argument(
        "--polygraphy",
        metavar="FILE",
        nargs="+",
        type=Path,
        help="compare what polygraphy run --save-outputs wrote: FP32's file and INT8's, or one with both runs",
    )
    group.add_argument(
        "--engine", action="store_true", help="let Polygraphy run FP32 in onnxruntime and INT8 in TensorRT, on this GPU"
    )
    group.add_argument(
        "--python", metavar="PATH", help="the Python that has TensorRT and Polygraphy (default: tcscope's own)"
    )
    group.add_argument(
        "--tactic-sources", metavar="NAMES", default="", help="let TensorRT choose from these only: CUDNN,CUBLAS,..."
    )


def is_recorded(args: argparse.Namespace) -> bool:
    """Whether recorded runs are asked for instead of a simulation. Raises UsageError."""
    for option, given in (("--python", args.python), ("--tactic-sources", args.tactic_sources)):
        if given and not args.engine:
            raise UsageError(
                f"{option} belongs to --engine", "tcscope sensitivity model.onnx --engine --data calib.npz"
            )
    return bool(args.polygraphy) or bool(args.engine)


def recorded(args: argparse.Namespace) -> Sensitivity:
    """The table of recorded runs; MODEL, if given, says which tensors are layers. Raises UsageError."""
    from tcscope.sensitivity.extra import require

    if args.polygraphy and args.engine:
        raise UsageError("--polygraphy and --engine are two sources", "give one of them")
    if args.engine:
        return _engine(args)
    if len(args.polygraphy) > 2:
        raise UsageError("--polygraphy compares two runs", "tcscope sensitivity --polygraphy fp32.json int8.json")
    require(args.model)
    from tcscope.sensitivity.network import load
    from tcscope.sensitivity.polygraphy import read_runs, sensitivity_of_runs

    return sensitivity_of_runs(read_runs(args.polygraphy), load(args.model) if args.model is not None else None)


def _engine(args: argparse.Namespace) -> Sensitivity:
    if args.model is None:
        raise UsageError("--engine needs the network", "tcscope sensitivity model.onnx --engine --data calib.npz")
    from tcscope.sensitivity.extra import require

    require(args.model)
    from tcscope.capture.build import parse_tactic_sources
    from tcscope.capture.engine import lacking
    from tcscope.sensitivity.polygraphy_run import NEEDED, Engine, require_engine, run_engine

    engine = Engine(args.python, parse_tactic_sources(args.tactic_sources))
    require_engine(args.model, engine, lacking(args.python, NEEDED))
    network, samples = network_of(args, extra=True)
    print("note: building an engine in INT8: seconds to many minutes", file=sys.stderr)
    with Status() as status:
        return run_engine(network, samples, engine, status)
