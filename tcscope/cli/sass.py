"""Show the matrix instructions in the machine code of your own binaries, kernel by kernel.

FILE is a cubin, a fatbin, a library, a program, or a folder of them such as Triton's cache (~/.triton/cache). It is
disassembled with cuobjdump. The saved answer, or FILE itself, is evidence for `tcscope analyze TRACE --sass FILE`.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from tcscope.cli.options import Commands, command, count_from_0
from tcscope.cli.output import put
from tcscope.errors import UsageError

_SUFFIXES = {".json": "json", ".csv": "csv", ".txt": "table"}


def add_to(commands: Commands) -> None:
    """Declare `tcscope sass`."""
    parser = command(commands, "sass", __doc__, "tcscope sass libmine.so ~/.triton/cache -o sass.json")
    parser.add_argument("files", metavar="FILE", nargs="+", help="cubin, fatbin, library, program, folder")
    parser.add_argument(
        "--cuobjdump", metavar="PATH", help="the one to use (default: PATH, CUDA's folders, triton's package)"
    )
    parser.add_argument("--top", metavar="N", type=count_from_0, help="only the first N kernels (default: all)")
    parser.add_argument("--full-names", action="store_true", help="never cut a kernel's name")
    parser.add_argument("--format", choices=("table", "json", "csv"), help="default: what the suffix of -o says")
    parser.add_argument("-o", "--output", metavar="FILE", type=Path, help="write FILE (.json .csv .txt)")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Disassemble and show; 0 whatever is found."""
    from tcscope.analysis.sass import load
    from tcscope.render import sass as render

    form = args.format or "table"
    if args.format is None and args.output is not None:
        if args.output.suffix not in _SUFFIXES:
            known = ", ".join(_SUFFIXES)
            raise UsageError(f"the suffix of {args.output} names no format", f"end it in {known}, or give --format")
        form = _SUFFIXES[args.output.suffix]
    code = load(args.files, args.cuobjdump)
    if form == "json":
        put(code.to_json(), args.output)
    elif form == "csv":
        put(render.as_csv(code), args.output)
    else:
        put(render.as_text(code, top=args.top, full_names=args.full_names), args.output)
    return 0
