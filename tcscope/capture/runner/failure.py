"""How the runner says that it can't: an exit code for each reason, a sentence and a hint."""

from __future__ import annotations

import json
import os
import sys

USAGE = 2  # the same as argparse's own
NO_DEVICE = 40
NO_TENSORRT = 41
BAD_PLAN = 42
NO_MEMORY = 43
FAILED = 44
BAD_MODEL = 45
NO_ENGINE = 46
CODES = (USAGE, NO_DEVICE, NO_TENSORRT, BAD_PLAN, NO_MEMORY, FAILED, BAD_MODEL, NO_ENGINE)

COMPLAINT = "TCSCOPE_COMPLAINT"  # names the file in which the program that started the runner reads what went wrong


class RunError(Exception):
    """What is wrong, one thing to type, and the exit code."""

    def __init__(self, code: int, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.hint = hint


def complain(failure: RunError) -> None:
    """Say it in the file that was asked for, else on stderr."""
    path = os.environ.get(COMPLAINT)
    if path:
        try:
            with open(path, "w", encoding="utf-8") as file:
                json.dump({"error": failure.message, "hint": failure.hint}, file)
        except OSError:
            pass
        else:
            return
    print("error: " + failure.message, file=sys.stderr)
    if failure.hint:
        print("  hint: " + failure.hint, file=sys.stderr)
