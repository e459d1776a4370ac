"""Where an answer goes and in which format: the screen, or the file that `-o` names."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tcscope.errors import UsageError
from tcscope.wording import unsteered

if TYPE_CHECKING:
    from tcscope.model import Report

SUFFIXES = {".json": "json", ".csv": "csv", ".md": "md", ".txt": "table", ".html": "html"}
FORMATS = ("table", "json", "csv", "md", "html")


def add_output(parser: argparse._ActionsContainer) -> None:
    """`--format` and `-o FILE`."""
    parser.add_argument("--format", choices=FORMATS, help="default: what the suffix of -o says, else table")
    parser.add_argument(
        "-o", "--output", metavar="FILE", type=Path, help="write FILE (.json .csv .md .txt .html) instead of the screen"
    )


def form_of(args: argparse.Namespace) -> str:
    """The format that was asked for, or that the suffix of the output says."""
    if args.format:
        return str(args.format)
    if args.output is None:
        return "table"
    if args.output.suffix not in SUFFIXES:
        raise UsageError(
            f"the suffix of {args.output} names no format", f"end it in {', '.join(SUFFIXES)}, or give --format"
        )
    return SUFFIXES[args.output.suffix]


def put(rendered: str, output: Path | None) -> None:
    """Write the answer to the screen, or to the file and say so."""
    if output is None:
        # data goes into a pipe as it is; to a screen nothing that would steer it
        sys.stdout.write(unsteered(rendered) if sys.stdout.isatty() else rendered)
        return
    try:
        output.write_text(rendered, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"can't write {output}: {error.strerror}", "give -o a file in a folder that exists") from error
    print(f"wrote {output}", file=sys.stderr)


def put_report(
    report: Report, form: str, output: Path | None, *, top: int, full_names: bool, grouped: bool = False
) -> None:
    """Put a report in one of FORMATS; `grouped`: as CSV its groups instead of its kernels."""
    if form == "table":
        from tcscope.render import terminal

        if output is None:
            terminal.write(report, sys.stdout, top=top, full_names=full_names)
        else:
            put(terminal.as_text(report, top=top, full_names=full_names), output)
    elif form == "json":
        put(report.to_json(), output)
    elif form == "csv":
        from tcscope.render import comma

        put(comma.groups_csv(report) if grouped else comma.kernels_csv(report), output)
    elif form == "html":
        from tcscope.render.html.report import as_html

        put(as_html(report), output)
    else:
        from tcscope.render.markdown import as_markdown

        put(as_markdown(report, top=top), output)
