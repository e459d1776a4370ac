"""`--view` and `--keep-fp16`: a report seen another way."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from tcscope.cli.output import form_of, put
from tcscope.errors import UsageError

if TYPE_CHECKING:
    from tcscope.model import RangeLevel, Report
    from tcscope.model.view import View

NAMES = ("summary", "iterations", "kernels", "eligible", "advice")


def add_views(parser: argparse._ActionsContainer) -> None:
    """`--view NAME` and `--keep-fp16`."""
    parser.add_argument("--view", choices=NAMES, help="one table instead of the page, as DLProf had them")
    parser.add_argument(
        "--keep-fp16", action="store_true", help="the INT8 layers to leave in FP16, for trtexec and for Q/DQ tools"
    )


def wants_layers(args: argparse.Namespace, form: str) -> RangeLevel | None:
    """The layers and inferences of the trace, which a page shows and all these views but that of the kernels."""
    from tcscope.model import RangeLevel

    return RangeLevel() if form == "html" or args.keep_fp16 or args.view not in (None, "kernels") else None


def show(report: Report, args: argparse.Namespace) -> bool:
    """Show the view that was asked for; False where none was."""
    if args.view is None and not args.keep_fp16:
        return False
    if args.view and args.keep_fp16:
        raise UsageError("--view and --keep-fp16 are two answers", "ask for one")
    form = form_of(args)
    if form in ("json", "html"):
        what = "JSON" if form == "json" else "HTML page"
        raise UsageError(f"a view is no {what}: the report itself is", "leave out --view and --keep-fp16")
    if args.keep_fp16:
        from tcscope.analysis.advice import keep_fp16
        from tcscope.render import advice

        put(advice.as_text(keep_fp16(report)), args.output)
    else:
        from tcscope.analysis.views import VIEWS

        put(_rendered(VIEWS[args.view](report), form, args), args.output)
    return True


def _rendered(view: View, form: str, args: argparse.Namespace) -> str:
    from tcscope.render import terminal, views

    if form == "csv":
        return views.as_csv(view)
    if form == "md":
        return views.as_markdown(view)
    console = terminal.console_for(sys.stdout)
    width, encoding = (console.width, console.encoding) if args.output is None else (80, "utf-8")
    ascii_only = not encoding.lower().startswith("utf")
    shown = views.as_text(view, width=width, full_names=args.full_names, ascii_only=ascii_only)
    return shown.encode(encoding, "replace").decode(encoding)
