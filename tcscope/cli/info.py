"""Say what a trace holds, what it lacks, and how to capture it again."""

from __future__ import annotations

import argparse
import sys

from tcscope.cli.options import Commands, add_sm, command


def add_to(commands: Commands) -> None:
    """Declare `tcscope info`."""
    parser = command(commands, "info", __doc__, "tcscope info trace.sqlite")
    parser.add_argument("trace", metavar="TRACE", help="an nsys SQLite export or .nsys-rep")
    parser.add_argument("--format", choices=("text", "json"), default="text")
    add_sm(parser, ", where the trace doesn't know its GPU")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Take stock of one trace."""
    from tcscope.analysis.missing import inventory
    from tcscope.hardware import parse_sm
    from tcscope.render import info
    from tcscope.sources import open_trace

    trace = open_trace(args.trace, parse_sm(args.sm) if args.sm is not None else None)
    try:
        held = inventory(trace)
    finally:
        trace.close()
    sys.stdout.write(info.as_json(held) if args.format == "json" else info.as_text(held))
    return 0
