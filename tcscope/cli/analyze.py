"""Say how much of a trace's GPU time ran on Tensor Cores, at which precision, and which kernels did not.

TRACE is an nsys SQLite export, a .nsys-rep, a report saved with -o report.json, or layers.json of trtexec beside its
profile.json (LAYERS.json:PROFILE.json names both). Several are shown side by side: ranks, nodes, repeated runs.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from tcscope.cli.many import add_many, run_many, wants_many
from tcscope.cli.options import Commands, add_rules, add_selection, add_sm, command, count_from_0
from tcscope.cli.output import add_output, form_of, put_report
from tcscope.cli.views import add_views, show, wants_layers

if TYPE_CHECKING:
    pass


def add_to(commands: Commands) -> None:
    """Declare `tcscope analyze`."""
    parser = command(
        commands, "analyze", __doc__, "tcscope analyze trace.sqlite --range inference --skip 5 -o report.json"
    )
    parser.add_argument(
        "traces", metavar="TRACE", nargs="*", help="the trace, a saved report, or trtexec's layers.json; or several"
    )
    add_many(parser.add_argument_group("several traces"))
    engine = parser.add_argument_group("what trtexec says of the engine")
    engine.add_argument(
        "--layers", metavar="FILE", help="--exportLayerInfo: types, tactics and formats of the trace's layers"
    )
    engine.add_argument("--profile", metavar="FILE", help="--exportProfile: times of the layers, instead of a trace")
    add_selection(parser.add_argument_group("which launches"), "inside the NVTX range NAME")
    how = parser.add_argument_group("how they are judged")
    add_sm(how, ", where the trace doesn't know its GPU")
    add_rules(how)
    how.add_argument(
        "--sass",
        metavar="FILE",
        action="append",
        default=[],
        help="binaries, Triton's cache or a saved `tcscope sass`: their machine code outranks the rules",
    )
    out = parser.add_argument_group("what is shown")
    out.add_argument(
        "--by",
        metavar="A,B",
        help="group by unit, precision, accumulate, op, evidence, rule, kernel, device, process; by layer or range",
    )
    out.add_argument(
        "--range-depth",
        metavar="N",
        type=count_from_0,
        default=0,
        help="--by range: N-th from outside (default: innermost)",
    )
    out.add_argument(
        "--top", metavar="N", type=count_from_0, default=10, help="show the N kernels with most time (default 10)"
    )
    add_views(out)
    out.add_argument("--full-names", action="store_true", help="never cut a kernel's name")
    out.add_argument("--stats", action="store_true", help="medians and GPU busy time, in a second pass")
    add_output(out)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Analyze one trace and show the report, or several side by side."""
    if wants_many(args):
        return run_many(args)
    from tcscope.analysis.grouping import DEFAULT_BY
    from tcscope.analysis.pipeline import analyze
    from tcscope.hardware import parse_sm
    from tcscope.model import RangeLevel

    form = form_of(args)
    by = [name.strip() for name in args.by.split(",")] if args.by else DEFAULT_BY
    report = analyze(
        args.traces[0] if args.traces else None,
        parse_sm(args.sm) if args.sm is not None else None,
        args.range,
        device=args.device,
        skip=args.skip,
        stats=args.stats,
        by=by,
        level=RangeLevel(layers=False, depth=args.range_depth) if "range" in by else wants_layers(args, form),
        layers=args.layers,
        profile=args.profile,
        sass=args.sass,
        rules=args.rules,
    )
    if show(report, args):
        return 0
    put_report(report, form, args.output, top=args.top, full_names=args.full_names, grouped=bool(args.by))
    return 0
