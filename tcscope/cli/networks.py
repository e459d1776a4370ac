"""A network, what it is fed and how it is quantized: options shared by sensitivity, cut and advise."""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from tcscope.cli.options import count_from_0, count_from_1
from tcscope.cli.status import Status
from tcscope.errors import UsageError

if TYPE_CHECKING:
    from tcscope.sensitivity.bench import Bench
    from tcscope.sensitivity.data import Samples
    from tcscope.sensitivity.network import Network

_METHODS = ("entropy", "min-max", "percentile")


def add_data(group: argparse._ActionsContainer) -> None:
    """`--data`, `--random`, `--samples`, `--shapes`, `--batch`, `--seed`: what a network is run on."""
    group.add_argument(
        "--data",
        metavar="PATH",
        type=Path,
        help=".npz: an array an input, samples along the first axis; .npy; folder",
    )
    group.add_argument("--random", metavar="N", type=count_from_1, help="N samples of random numbers instead")
    group.add_argument("--samples", metavar="N", type=count_from_1, help="only N of the samples, drawn by the seed")
    group.add_argument("--shapes", metavar="S", default="", help="of dynamic inputs: name:1x3x224x224,other:1x8")
    group.add_argument("--batch", metavar="N", type=count_from_1, help="samples run at a time (default: what fits)")
    group.add_argument("--seed", metavar="N", type=count_from_0, default=0, help="of what is drawn (default 0)")


def add_quantization(group: argparse._ActionsContainer) -> None:
    """`--calibration` and `--percentile`: how activations get their range."""
    group.add_argument(
        "--calibration", choices=_METHODS, default="entropy", help="of activations (default entropy, as TensorRT's)"
    )
    group.add_argument(
        "--percentile", metavar="P", type=float, help="of magnitudes that are kept (default 99.999); percentile alone"
    )


def network_of(args: argparse.Namespace, *, extra: bool) -> tuple[Network, Samples]:
    """The network of `args.model` and what it is fed, as `add_data` declares it. Raises UsageError."""
    from tcscope.capture.runner.failure import RunError
    from tcscope.capture.runner.shapes import parse_shapes
    from tcscope.sensitivity.extra import require

    require(args.model, f"{_typed(args, 'model.onnx')} --random 16")
    from tcscope.sensitivity.data import random_samples, read_samples
    from tcscope.sensitivity.network import load

    if (args.data is None) == (args.random is None):
        what = "give one of --data and --random" if args.data else "what shall the network be fed?"
        raise UsageError(what, f"{_typed(args, str(args.model))} --data calib.npz  # or --random 16")
    try:
        shapes = parse_shapes(args.shapes)
    except RunError as error:
        raise UsageError(str(error), "--shapes input:1x3x224x224") from error
    network = load(args.model)
    if args.random is not None:
        return network, random_samples(network, shapes, args.random, args.seed)
    return network, read_samples(network, args.data, shapes, extra=extra, most=args.samples, seed=args.seed)


def _typed(args: argparse.Namespace, model: str) -> str:
    """How the command begins that was typed, with this network."""
    if args.command == "advise":
        return f"--model {shlex.quote(model)}"
    around = f" --around {shlex.quote(args.around)}" if args.command == "cut" else ""
    return f"tcscope {args.command} {shlex.quote(model)}{around}"


def bench_of(args: argparse.Namespace, *, extra: bool) -> Bench:
    """The network of `args.model`, calibrated on what `add_data` and `add_quantization` declare. Raises UsageError."""
    if args.percentile is not None and not 50 <= args.percentile <= 100:
        raise UsageError(f"--percentile {args.percentile:g} is not between 50 and 100", "--percentile 99.99")
    network, samples = network_of(args, extra=extra)
    from tcscope.model.sensitivity import Calibration
    from tcscope.sensitivity.bench import Bench, Settings
    from tcscope.sensitivity.calibrate import PERCENTILE

    settings = Settings(Calibration(args.calibration), args.percentile or PERCENTILE, args.batch, args.jobs)
    with Status() as status:
        return Bench(network, samples, settings, status)
