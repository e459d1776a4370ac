"""How an error reads on stderr: what is wrong, then one hint to type."""

from __future__ import annotations

import sys

from tcscope.errors import ConfigError, TcscopeError, UnanswerableError
from tcscope.wording import plain

_GOES_ON = "\n    "  # begins a line that quotes a program; a name with a line break in it begins none


def complain(error: TcscopeError, about: str = "") -> None:
    """Print an error and its hint; `about` says which of several things failed. Nothing in it can steer a terminal."""
    who = f"{about}: " if about else ""
    for problem in error.problems if isinstance(error, (ConfigError, UnanswerableError)) else (error.message,):
        print(f"error: {who}{_GOES_ON.join(map(plain, problem.split(_GOES_ON)))}", file=sys.stderr)
    if error.hint:
        print(f"  hint: {plain(error.hint)}", file=sys.stderr)
