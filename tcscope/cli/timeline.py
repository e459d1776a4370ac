"""Write a timeline for Perfetto's UI: streams, layers and ranges, kernels coloured by unit and precision.

Open the file at https://ui.perfetto.dev, which keeps it on your machine, or at chrome://tracing (--format chrome). A
kernel's slice begins with its unit (TC Tensor Core, CC CUDA core, ?? unknown), its precision and its op; click it for
its whole name, the rule and the evidence. INT8 is green, FP16 orange, FP32 red, FP8 blue, pale on CUDA cores.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tcscope.cli.options import Commands, add_rules, add_selection, add_sm, command
from tcscope.errors import UsageError

if TYPE_CHECKING:
    from tcscope.model.timeline import Timeline

_SUFFIXES = {".perfetto": "perfetto", ".pftrace": "perfetto", ".perfetto-trace": "perfetto", ".json": "chrome"}


def add_to(commands: Commands) -> None:
    """Declare `tcscope timeline`."""
    parser = command(commands, "timeline", __doc__, "tcscope timeline trace.sqlite --range inference -o trace.perfetto")
    parser.add_argument("trace", metavar="TRACE", help="an nsys SQLite export or .nsys-rep")
    parser.add_argument(
        "-o",
        "--output",
        metavar="FILE",
        type=Path,
        required=True,
        help="the file to write: .perfetto or .pftrace, .json for chrome://tracing; with .gz behind it compressed",
    )
    parser.add_argument("--format", choices=("perfetto", "chrome"), help="default: what the suffix of -o says")
    add_selection(parser.add_argument_group("which launches"), "inside the NVTX range NAME")
    how = parser.add_argument_group("how they are judged")
    how.add_argument("--layers", metavar="FILE", help="trtexec --exportLayerInfo: types, tactics and formats of layers")
    add_sm(how, ", where the trace doesn't know its GPU")
    add_rules(how)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Write the timeline of one trace."""
    from tcscope.analysis.timeline import timeline
    from tcscope.hardware import parse_sm
    from tcscope.model import Selection
    from tcscope.rulebook import RuleBook
    from tcscope.sources import open_trace
    from tcscope.sources.trtexec import read_layers

    form = _form_of(args)
    book = RuleBook.load(args.rules)
    trace = open_trace(args.trace, parse_sm(args.sm) if args.sm is not None else None)
    try:
        if args.output.exists() and args.output.samefile(trace.path):
            raise UsageError(f"{args.output} is the trace itself", "give -o another name")
        engine = read_layers(Path(args.layers)) if args.layers is not None else ()
        _put(timeline(trace, book, Selection(args.range, args.skip, args.device), engine), form, args.output)
    finally:
        trace.close()
    return 0


def _form_of(args: argparse.Namespace) -> str:
    """The format that was asked for, or that the suffix of the output says."""
    if args.format:
        return str(args.format)
    name = args.output.name.removesuffix(".gz")
    suffix = Path(name).suffix
    if suffix not in _SUFFIXES:
        known = ", ".join(_SUFFIXES)
        raise UsageError(f"the suffix of {args.output} names no format", f"end it in {known}, or give --format")
    return _SUFFIXES[suffix]


def _put(timeline: Timeline, form: str, output: Path) -> None:
    from tcscope.cli.streamed import Progress, written_whole
    from tcscope.wording import count

    if form == "perfetto":
        from tcscope.render.perfetto.write import write
    else:
        from tcscope.render.chrome import write
    with Progress("slice") as progress, written_whole(output) as file:
        write(timeline, file, progress)
    if timeline.negative:
        ends = "ends before it starts: it takes" if timeline.negative == 1 else "end before they start: they take"
        print(f"note: {count(timeline.negative, 'launch')} {ends} 0 ns", file=sys.stderr)
    where = "https://ui.perfetto.dev" if form == "perfetto" else "chrome://tracing or https://ui.perfetto.dev"
    print(f"wrote {output}: {count(timeline.launches, 'launch')}; open it at {where}", file=sys.stderr)
