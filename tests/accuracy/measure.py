"""The accuracy table of the README: tcscope beside the substring lists of public tools, on fixtures/names_truth.csv.

usage: python -m tests.accuracy.measure [--write README.md]

Prints the table; with --write it is put between the markers of that file.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from tcscope.model import Precision, Unit
from tcscope.rulebook import RuleBook
from tests.accuracy.peers import PEERS, Peer
from tests.accuracy.score import SAMPLE, Score, Truth, read, score

HEADINGS = ("", "unit right", "false Tensor Core claims", "Tensor Core missed", "unknown", "precision right")
START, END = "<!-- accuracy -->", "<!-- /accuracy -->"


def table(truths: Sequence[Truth]) -> str:
    """The Markdown table, best first."""
    rows = [("**tcscope**", score(RuleBook.builtin(), truths))]
    rows += sorted(((peer.name, _score_of(peer, truths)) for peer in PEERS), key=lambda row: -row[1].right)
    lines = [
        "| " + " | ".join(HEADINGS) + " |",
        "|---|" + "---:|" * (len(HEADINGS) - 1),
        *(_row(name, result) for name, result in rows),
    ]
    return "\n".join(lines)


def put_into(text: str, made: str) -> str:
    """`text` with the table between its markers. Raises ValueError where it has none."""
    before, rest = text.split(START, 1)
    _, after = rest.split(END, 1)
    return f"{before}{START}\n{made}\n{END}{after}"


def _score_of(peer: Peer, truths: Sequence[Truth]) -> Score:
    result = Score()
    for truth in truths:
        unit = Unit.TENSOR_CORE if peer.uses_tensor_cores(truth.name) else Unit.CUDA_CORE
        result.add(truth, unit, Precision.UNKNOWN)
    return result


def _row(name: str, result: Score) -> str:
    said = result.precision["right"] + result.precision["wrong"]
    precision = f"{100 * result.precision['right'] / result.precision.total():.1f} %" if said else "not told"
    return (
        f"| {name} | {100 * result.right / result.kernels:.1f} % | {result.false_claims:,} | {result.missed:,} "
        f"| {100 * result.unknown / result.kernels:.1f} % | {precision} |"
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Print the table, or put it into a file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", type=Path, metavar="FILE", help="put the table between the markers of this file")
    args = parser.parse_args(argv)
    made = table(read(SAMPLE))
    if args.write is None:
        sys.stdout.write(made + "\n")
    else:
        args.write.write_text(put_into(args.write.read_text(encoding="utf-8"), made), encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
