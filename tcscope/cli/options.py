"""Arguments that several commands share."""

from __future__ import annotations

import argparse
import re
import textwrap
from typing import Any, NoReturn

from tcscope.errors import UsageError, did_you_mean

Commands = Any  # argparse._SubParsersAction has no public name
_WIDTH = 78
_BAD_CHOICE = re.compile(
    r"argument (?P<what>\S+): invalid choice: '(?P<word>.*?)' \(choose from (?P<known>.*)\)", re.DOTALL
)


class Parser(argparse.ArgumentParser):
    """An argument parser whose complaints read like every other error of tcscope. Raises UsageError."""

    def error(self, message: str) -> NoReturn:
        """Turn argparse's complaint into a UsageError with a hint to type."""
        match = _BAD_CHOICE.match(message)
        if match:
            known = match["known"].replace("'", "").split(", ")
            noun = match["what"].lower().removeprefix("--")
            message = (
                f"no {noun} '{match['word']}'{did_you_mean(match['word'], known) or ': one of ' + ', '.join(known)}"
            )
        raise UsageError(
            message.removeprefix("the following arguments are ").replace("required: ", "missing: "),
            f"{self.prog} --help",
        )


def split_program(arguments: list[str]) -> tuple[list[str], list[str]]:
    """What is meant for tcscope, and the command that `profile` runs: all after `--`, which no parser may touch."""
    name = next((argument for argument in arguments if not argument.startswith("-")), None)
    if name != "profile" or "--" not in arguments:
        return arguments, []
    at = arguments.index("--")
    return arguments[:at], arguments[at + 1 :]


def command(commands: Commands, name: str, doc: str | None, example: str) -> argparse.ArgumentParser:
    """A subcommand whose help line is the first line of its module's docstring and whose help ends with an example."""
    text = (doc or "").strip()
    made: argparse.ArgumentParser = commands.add_parser(
        name,
        help=text.partition("\n")[0],
        description="\n\n".join(textwrap.fill(paragraph, _WIDTH) for paragraph in text.split("\n\n")),
        epilog=f"example: {example}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    return made


def add_rules(parser: argparse._ActionsContainer) -> None:
    """`--rules PATH`, repeatable."""
    parser.add_argument(
        "--rules",
        action="append",
        default=[],
        metavar="PATH",
        help="rule file or folder that comes before the built-in rules",
    )


def add_sm(parser: argparse._ActionsContainer, why: str) -> None:
    """`--sm NN`."""
    parser.add_argument("--sm", metavar="NN", help=f"compute capability of the GPU, such as 87 for 8.7{why}")


def add_selection(parser: argparse._ActionsContainer, inside: str) -> None:
    """`--range`, `--skip` and `--device`."""
    parser.add_argument("--range", metavar="NAME", help=f"only launches {inside}")
    parser.add_argument(
        "--skip",
        metavar="N",
        type=count_from_0,
        default=0,
        help="leave out the first N instances of the range (without --range: launches)",
    )
    parser.add_argument("--device", metavar="N", type=count_from_0, help="only this GPU, by its number in the trace")


def count_from_0(text: str) -> int:
    """A whole number from 0 on."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"'{text}' is no whole number from 0 on")
    return int(text)


def count_from_1(text: str) -> int:
    """A whole number from 1 on."""
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"'{text}' is no whole number from 1 on")
    return int(text)
