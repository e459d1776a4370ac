"""Say which rule claims a kernel name and why, what its tokens mean, and who else matched.

Names are read from standard input, one a line, where '-' is given.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator

from tcscope.cli.options import Commands, add_rules, add_sm, command


def add_to(commands: Commands) -> None:
    """Declare `tcscope explain`."""
    parser = command(
        commands, "explain", __doc__, "tcscope explain --sm 87 ampere_h16816cudnn_128x64_ldg8_relu_nhwc_tn_v1"
    )
    parser.add_argument("names", nargs="+", metavar="NAME", help="a kernel's demangled name, or - for standard input")
    parser.add_argument(
        "--format", choices=("text", "json"), default="text", help="json: one object a line, in the same order"
    )
    add_sm(parser, "")
    add_rules(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Explain each name in order."""
    from tcscope.hardware import parse_sm
    from tcscope.render import explanation
    from tcscope.rulebook import RuleBook

    book = RuleBook.load(args.rules)
    sm = parse_sm(args.sm) if args.sm is not None else None
    for name in _names(args.names):
        if args.format == "json":
            line = explanation.as_json(name, book.classify(name, sm))
        else:
            line = explanation.as_text(book.explain(name, sm))
        sys.stdout.write(line + "\n")
    return 0


def _names(arguments: list[str]) -> Iterator[str]:
    for argument in arguments:
        if argument != "-":
            yield argument
            continue
        for line in sys.stdin.buffer:
            yield line.decode("utf-8", "replace").rstrip("\r\n")
