"""Write a small copy of a trace that is safe to share, or say what a file would tell.

The copy has the tables and columns that an analysis reads, and gives the same one. Environment, command lines, host,
user, paths, ids of devices, names of processes and threads, and strings that nothing refers to are not in it. Names of
ranges and kernels are: --check tells of those that look like a path, a host or a user.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from tcscope.cli.options import Commands, command, count_from_0
from tcscope.errors import UsageError

_EXAMPLES = 3


def add_to(commands: Commands) -> None:
    """Declare `tcscope slim`."""
    parser = command(commands, "slim", __doc__, "tcscope slim trace.sqlite -o share.sqlite --range inference --keep 5")
    parser.add_argument("trace", metavar="TRACE", help="an nsys SQLite export or .nsys-rep; it is never written")
    parser.add_argument("-o", "--output", metavar="OUT", type=Path, help="the copy, a .sqlite")
    cut = parser.add_argument_group("cut in time")
    cut.add_argument("--range", metavar="NAME", help="only what was launched inside the NVTX range NAME")
    cut.add_argument(
        "--keep", metavar="N", type=count_from_0, help="only the first N instances of the range, or inferences"
    )
    more = parser.add_argument_group("what else")
    more.add_argument("--short-paths", action="store_true", help="/home/me/net.onnx in a name becomes net.onnx")
    more.add_argument("--force", action="store_true", help="replace OUT")
    check = parser.add_argument_group("instead of a copy")
    check.add_argument(
        "--check", action="store_true", help="list what TRACE would tell, by kind and place; 1 if there is anything"
    )
    check.add_argument("--show", action="store_true", help="with values: not for a log that others read")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Write the copy, or check."""
    from tcscope.sources import open_trace

    if args.check:
        return _check(args)
    if args.output is None:
        raise UsageError("slim writes a copy: -o is missing", f"tcscope slim {args.trace} -o OUT.sqlite")
    if args.show:
        raise UsageError("--show belongs to --check", f"tcscope slim {args.trace} --check --show")
    if args.keep == 0:
        raise UsageError("--keep 0 keeps nothing", "--keep 1")
    trace = open_trace(args.trace)
    try:
        _demand_a_place((Path(args.trace), trace.path), args.output, force=args.force)
        from tcscope.render.slim import wrote
        from tcscope.sources.nsys.slim import slim

        done = slim(trace, args.output, range=args.range, keep=args.keep, short_paths=args.short_paths)
    finally:
        trace.close()
    for line in wrote(args.output, done):
        print(line, file=sys.stderr)
    return 0


def _check(args: argparse.Namespace) -> int:
    from tcscope.render.slim import leaks_text
    from tcscope.sources import open_trace
    from tcscope.sources.nsys.slim import find_leaks

    if args.output is not None or args.range is not None or args.keep is not None:
        raise UsageError("--check writes nothing and looks at the whole file", f"tcscope slim {args.trace} --check")
    trace = open_trace(args.trace)
    try:
        found = find_leaks(trace.db, _EXAMPLES if args.show else 0)
    finally:
        trace.close()
    sys.stdout.write(leaks_text(found))
    if found:
        print(
            f"  hint: tcscope slim {args.trace} -o share.sqlite  # leaves all but names of ranges and kernels",
            file=sys.stderr,
        )
    return 1 if found else 0


def _demand_a_place(inputs: tuple[Path, ...], output: Path, *, force: bool) -> None:
    """Raise UsageError where the copy would be the trace, or would replace something."""
    if output.exists() and any(output.samefile(path) for path in inputs):
        raise UsageError(f"{output} is the trace itself, which is never written", "give -o another file")
    if output.is_dir():
        raise UsageError(f"{output} is a directory", f"-o {output / 'share.sqlite'}")
    if output.exists() and not output.is_file():
        raise UsageError(f"{output} is no plain file", "give -o another file")
    if (output.exists() or output.is_symlink()) and not force:
        raise UsageError(f"{output} exists", "--force replaces it, or give -o another file")
