"""Quantize a network layer by layer: what INT8 costs each in accuracy, and where it hurts.

MODEL is an ONNX file, or a saved answer to show again. Each Conv, ConvTranspose, Gemm and MatMul is quantized as by
TensorRT (symmetric INT8, weights per output channel, activations per tensor, bias in FP32) and the network run on the
CPU. Layers bear the names that TensorRT gives them. A run that was stopped goes on: beside -o FILE it keeps
FILE.part.jsonl while it works.
"""

from __future__ import annotations

import argparse
import shlex
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from tcscope.cli.options import Commands, command, count_from_0, count_from_1
from tcscope.cli.output import add_output, form_of, put
from tcscope.cli.recorded import add_recorded, is_recorded, recorded
from tcscope.errors import UsageError

if TYPE_CHECKING:
    from tcscope.model.sensitivity import Sensitivity
    from tcscope.sensitivity.bench import Bench
    from tcscope.sensitivity.data import Samples
    from tcscope.sensitivity.network import Network

_EXAMPLE = "tcscope sensitivity model.onnx --data calib.npz -o sensitivity.html"
_METHODS = ("entropy", "min-max", "percentile")


def add_to(commands: Commands) -> None:
    """Declare `tcscope sensitivity`."""
    parser = command(commands, "sensitivity", __doc__, _EXAMPLE)
    parser.add_argument(
        "model", metavar="MODEL", type=Path, nargs="?", help="an .onnx file, or a saved sensitivity.json"
    )
    add_data(parser.add_argument_group("what it is fed"))
    add_recorded(parser.add_argument_group("instead of that: runs of Polygraphy"))
    how = parser.add_argument_group("how it is quantized and compared")
    add_quantization(how)
    how.add_argument(
        "--mode", choices=("one", "all-but-one"), default="one", help="what is INT8: one layer (default), all but one"
    )
    how.add_argument(
        "--block",
        metavar="N|REGEX",
        help="blocks, not layers: N in a row, or those in which REGEX finds the same",
    )
    how.add_argument(
        "--metric",
        metavar="M",
        default="sqnr",
        help="rank by sqnr (default), cosine, max-error, top1, or your own file.py:function: "
        "function(outputs_fp32, outputs, inputs) of dicts of arrays gives a number, higher is better",
    )
    how.add_argument("--jobs", metavar="N", type=count_from_1, help="run N layers at a time (default: all processors)")
    out = parser.add_argument_group("what is shown")
    out.add_argument("--top", metavar="N", type=count_from_0, default=10, help="list the N costliest (default 10)")
    out.add_argument("--full-names", action="store_true", help="never cut a layer's name")
    add_output(out)
    parser.set_defaults(run=run)


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


def run(args: argparse.Namespace) -> int:
    """Measure each layer and show the answer."""
    from tcscope.render.sensitivity import as_csv, as_markdown, as_text

    form = form_of(args)
    answer = _answer(args)
    if form == "json":
        put(answer.to_json(), args.output)
    elif form == "csv":
        put(as_csv(answer), args.output)
    elif form == "md":
        put(as_markdown(answer, top=args.top), args.output)
    elif form == "html":
        from tcscope.render.html.sensitivity import as_html

        put(as_html(answer), args.output)
    else:
        put(as_text(answer, top=args.top, full_names=args.full_names), args.output)
    return 0


def _answer(args: argparse.Namespace) -> Sensitivity:
    if is_recorded(args):
        return recorded(args)
    if args.model is None:
        raise UsageError("which network?", "tcscope sensitivity model.onnx --data calib.npz")
    return _saved(args.model) if args.model.suffix == ".json" else _measured(args)


def _measured(args: argparse.Namespace) -> Sensitivity:
    bench = bench_of(args, extra=":" in args.metric)
    from tcscope.model.sensitivity import Mode
    from tcscope.sensitivity.answer import sensitivity_of
    from tcscope.sensitivity.metric import measure_of

    measure = measure_of(args.metric)
    with Status() as status:
        return sensitivity_of(
            bench, Mode(args.mode), measure, block=args.block, seed=args.seed, output=args.output, say=status
        )


def _saved(path: Path) -> Sensitivity:
    """A saved answer. Raises UsageError, or TraceError where it is no sound one."""
    import json

    from tcscope.model.sensitivity import SENSITIVITY_SCHEMA, Sensitivity

    hint = f"tcscope sensitivity model.onnx --data calib.npz -o {path}"
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        said = error.strerror if isinstance(error, OSError) else "it is no JSON"
        raise UsageError(f"can't read {path}: {said}", hint) from error
    if not isinstance(data, dict) or data.get("schema") != SENSITIVITY_SCHEMA:
        raise UsageError(f"{path} is no saved sensitivity", hint)
    return Sensitivity.from_dict(data)


class Status:
    """Where the work stands, in one line on the terminal's error output that each next one replaces."""

    def __init__(self) -> None:
        self._shown = 0
        self._next = time.monotonic() + 0.5

    def __call__(self, what: str) -> None:
        """Show it, not too often."""
        now = time.monotonic()
        if now >= self._next and sys.stderr.isatty():
            self._next = now + 0.2
            self._show(what[:78])

    def __enter__(self) -> Status:
        return self

    def __exit__(self, *error: object) -> None:
        if self._shown:
            self._show("")

    def _show(self, text: str) -> None:
        from tcscope.wording import plain

        text = plain(text)
        sys.stderr.write("\r" + text.ljust(self._shown) + ("" if text else "\r"))
        sys.stderr.flush()
        self._shown = len(text)
