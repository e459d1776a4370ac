"""Quantize a network layer by layer: what INT8 costs each in accuracy, and where it hurts.

MODEL is an ONNX file, or a saved answer to show again. Each Conv, ConvTranspose, Gemm and MatMul is quantized as by
TensorRT (symmetric INT8, weights per output channel, activations per tensor, bias in FP32) and the network run on the
CPU. Layers bear the names that TensorRT gives them. A run that was stopped goes on: beside -o FILE it keeps
FILE.part.jsonl while it works.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from tcscope.cli.networks import add_data, add_quantization, bench_of
from tcscope.cli.options import Commands, command, count_from_0, count_from_1
from tcscope.cli.output import add_output, form_of, put
from tcscope.cli.recorded import add_recorded, is_recorded, recorded
from tcscope.cli.status import Status
from tcscope.errors import UsageError

if TYPE_CHECKING:
    from tcscope.model.sensitivity import Sensitivity

_EXAMPLE = "tcscope sensitivity model.onnx --data calib.npz -o sensitivity.html"


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
