"""Say what moved between two traces: how much time, in which layers, and why.

BASE and NEW are nsys SQLite exports, .nsys-rep files, trtexec's layer files (the profile beside them), or saved
reports. A slower NEW is an answer, not an error: the exit code is 0.
"""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from tcscope.cli.options import Commands, add_rules, add_selection, add_sm, command, count_from_0
from tcscope.cli.output import add_output, form_of, put

if TYPE_CHECKING:
    from tcscope.model import Diff


def add_to(commands: Commands) -> None:
    """Declare `tcscope diff`."""
    parser = command(commands, "diff", __doc__, "tcscope diff fp16.sqlite int8.sqlite --range inference -o diff.md")
    parser.add_argument("base", metavar="BASE", help="what to compare with: a trace, or a saved report")
    parser.add_argument("new", metavar="NEW", help="what changed: a trace, or a saved report")
    add_selection(
        parser.add_argument_group("which launches, on both sides"), "inside the NVTX range NAME: an inference"
    )
    how = parser.add_argument_group("how they are judged")
    add_sm(how, ", where a trace doesn't know its GPU")
    add_rules(how)
    out = parser.add_argument_group("what is shown")
    out.add_argument(
        "--top", metavar="N", type=count_from_0, help="show N layers (default: as many as fit on a screen)"
    )
    out.add_argument("--full-names", action="store_true", help="never cut a layer's name")
    add_output(out)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Compare two traces and show what moved."""
    from tcscope.analysis.difference.reports import compare
    from tcscope.hardware import parse_sm

    form = form_of(args)
    diff = compare(
        args.base,
        args.new,
        sm=parse_sm(args.sm) if args.sm is not None else None,
        range=args.range,
        device=args.device,
        skip=args.skip,
        rules=args.rules,
    )
    if args.output is None and form == "table":
        from tcscope.render.diff import terminal as diff_terminal

        diff_terminal.write(diff, sys.stdout, top=args.top, full_names=args.full_names)
    else:
        put(_rendered(diff, form, args), args.output)
    return 0


def _rendered(diff: Diff, form: str, args: argparse.Namespace) -> str:
    if form == "json":
        return diff.to_json()
    if form == "csv":
        from tcscope.render.diff.comma import layers_csv

        return layers_csv(diff)
    if form == "html":
        from tcscope.render.html.diff import as_html

        return as_html(diff)
    if form == "md":
        from tcscope.render.diff.markdown import as_markdown

        return as_markdown(diff) if args.top is None else as_markdown(diff, top=args.top)
    from tcscope.render.diff import terminal as diff_terminal

    return diff_terminal.as_text(diff, top=args.top, full_names=args.full_names)
