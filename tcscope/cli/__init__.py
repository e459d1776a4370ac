"""Which GPU kernels ran on Tensor Cores, at which precision, and what did the rest cost?"""

from __future__ import annotations

import argparse
import os
import sys
import traceback
from collections.abc import Sequence

from tcscope import __version__
from tcscope.cli import (
    advise,
    analyze,
    check,
    compare_precisions,
    cut,
    diff,
    explain,
    history,
    info,
    profile,
    rules,
    sass,
    sensitivity,
    slim,
    timeline,
    verify,
)
from tcscope.cli.complaint import complain
from tcscope.cli.options import Parser, split_program
from tcscope.cli.reading import reading_shown
from tcscope.errors import TcscopeError
from tcscope.wording import plain

COMMANDS = (
    analyze,
    profile,
    compare_precisions,
    diff,
    check,
    history,
    timeline,
    explain,
    verify,
    sass,
    info,
    slim,
    sensitivity,
    advise,
    cut,
    rules,
)
EPILOG = """\
exit codes: 0 ok; 1 a gate or rule test failed; 2 usage or configuration;
            3 the trace can't answer
example: tcscope analyze trace.sqlite
"""


def parser() -> argparse.ArgumentParser:
    """The whole command line; `tests` read it to hold help and README together."""
    top = Parser(
        prog="tcscope", description=__doc__, epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    top.add_argument("--version", action="version", version=f"tcscope {__version__}")
    top.add_argument("-vv", "--debug", action="store_true", help="show the traceback of an error")
    commands = top.add_subparsers(metavar="COMMAND", dest="command")
    for module in COMMANDS:
        module.add_to(commands)
    return top


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command. Returns its exit code; never raises, since Python's own code 1 would read as a failed gate."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    arguments, program = split_program(arguments)
    debug = "-vv" in arguments or "--debug" in arguments
    try:
        args = parser().parse_args([a for a in arguments if a not in ("-vv", "--debug")])
        args.program = program
        if args.command is None:
            parser().print_help()
            return 0
        with reading_shown():
            code = int(args.run(args))
        sys.stdout.flush()
        return code
    except SystemExit as stop:  # argparse: --help, --version (0) or a usage error (2)
        return stop.code if isinstance(stop.code, int) else 2
    except BrokenPipeError:  # the reader (head, less) has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        print("error: interrupted", file=sys.stderr)
        return 2
    except TcscopeError as error:
        if debug:
            traceback.print_exc()
        complain(error)
        return error.exit_code
    except MemoryError:
        print("error: there is not enough memory for this input", file=sys.stderr)
        print("  hint: tcscope info TRACE  # says how large it is", file=sys.stderr)
        return 2
    except Exception as error:
        if debug:
            traceback.print_exc()
        print(f"error: tcscope itself failed: {type(error).__name__}: {plain(str(error))}", file=sys.stderr)
        print("  hint: run the same command with -vv and report what it prints", file=sys.stderr)
        return 2
