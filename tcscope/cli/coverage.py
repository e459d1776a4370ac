"""List the kernels that no rule can judge, by time or count, ready for a rule of one's own.

A file that is no trace and no report is read as a list of kernel names, one a line; '-' reads it from standard input.
"""

from __future__ import annotations

import argparse
import sys

from tcscope.cli.options import Commands, add_rules, add_sm, command


def add_to(verbs: Commands) -> None:
    """Declare `tcscope rules coverage`."""
    parser = command(verbs, "coverage", __doc__, "tcscope rules coverage trace.sqlite --format yaml > my-rules.yaml")
    parser.add_argument("source", metavar="TRACE|NAMES", help="a trace, a saved report, a file of names, or -")
    parser.add_argument(
        "--format", choices=("text", "yaml"), default="text", help="yaml: a rule file with a rule to fill in for each"
    )
    parser.add_argument("--top", type=int, metavar="N", help="only the N largest (default: all)")
    add_sm(parser, "")
    add_rules(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print what has no verdict; 0 whatever is found."""
    from tcscope.analysis import coverage
    from tcscope.errors import UsageError
    from tcscope.hardware import parse_sm
    from tcscope.render import coverage as render
    from tcscope.rulebook import RuleBook

    if args.top is not None and args.top < 1:
        raise UsageError(f"--top {args.top}: give a number of at least 1")
    sm = parse_sm(args.sm) if args.sm is not None else None
    book = RuleBook.load(args.rules)
    if args.source == "-":
        names = (line.decode("utf-8", "replace") for line in sys.stdin.buffer)
        found = coverage.of_names(names, book, sm)
    else:
        found = coverage.coverage(args.source, book, sm)
    write = render.as_yaml if args.format == "yaml" else render.as_text
    sys.stdout.write(write(found, args.top))
    if found.gaps and args.format == "text":
        hint = f"tcscope rules coverage {args.source} --format yaml  # a rule to fill in for each"
        print(f"  hint: {hint}", file=sys.stderr)
    return 0
