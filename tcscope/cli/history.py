"""Show how a metric went over the checks that a history holds, and which commit changed it.

HISTORY is a file that tcscope check TRACE --history appends to. METRIC is a metric in a budget's words: tensor_share
(the default), kernel_time_per_range, launches, precision.int8.share, kernel["*ffma*"].share. Of a layer only what a
budget's conditions measured is kept.
"""

from __future__ import annotations

import argparse
import sys

from tcscope.cli.options import Commands, command, count_from_0
from tcscope.cli.output import put

FORMATS = ("table", "json", "csv")


def add_to(commands: Commands) -> None:
    """Declare `tcscope history`."""
    parser = command(commands, "history", __doc__, "tcscope history tcscope.db kernel_time --trace 'resnet*'")
    parser.add_argument("history", metavar="HISTORY", help="the history's file")
    parser.add_argument("metric", metavar="METRIC", nargs="?", default="tensor_share", help="default: tensor_share")
    parser.add_argument("--trace", metavar="GLOB", help="only traces whose file name matches")
    parser.add_argument(
        "--last", metavar="N", type=count_from_0, default=30, help="the last N runs (default 30; 0: all)"
    )
    parser.add_argument("--format", choices=FORMATS, default="table", help="default: table")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Show the trend."""
    from tcscope.analysis.history_trend import trend

    found = trend(args.history, args.metric, trace=args.trace, last=args.last or None)
    if args.format == "json":
        put(found.to_json(), None)
        return 0
    from tcscope.render import history

    if args.format == "csv":
        put(history.as_csv(found), None)
    else:
        history.write(found, sys.stdout)
    return 0
