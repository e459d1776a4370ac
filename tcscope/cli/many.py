"""Several traces given to `tcscope analyze`: ranks, nodes or repeated runs side by side."""

from __future__ import annotations

import argparse
import sys
import threading
from types import TracebackType
from typing import TYPE_CHECKING

from tcscope.cli.options import count_from_1
from tcscope.cli.output import form_of, put
from tcscope.errors import TraceError, UsageError
from tcscope.wording import count

if TYPE_CHECKING:
    from tcscope.model.many import TraceSet

_PATIENCE_S = 1.0  # without a word
_EVERY_S = 0.2


def add_many(parser: argparse._ActionsContainer) -> None:
    """`--jobs`, `--dask` and `--strict`."""
    parser.add_argument(
        "--jobs", metavar="N", type=count_from_1, help="read them in N processes (default: as many as are worth it)"
    )
    parser.add_argument(
        "--dask", metavar="ADDRESS", help="let the workers of this Dask cluster read them, where they lie"
    )
    parser.add_argument("--strict", action="store_true", help="exit code 3 where any of them can't be read")


def wants_many(args: argparse.Namespace) -> bool:
    """Whether a set is asked for: several traces, or an option that only a set has (a glob may match one file)."""
    return len(args.traces) > 1 or (bool(args.traces) and (args.jobs or args.dask or args.strict))


def run_many(args: argparse.Namespace) -> int:
    """Analyze the traces and show them side by side."""
    form = form_of(args)
    _refuse(args, form)
    from tcscope.analysis.many.run import analyze_many
    from tcscope.hardware import parse_sm

    with Progress(len(args.traces)) as progress:
        found = analyze_many(
            args.traces,
            parse_sm(args.sm) if args.sm is not None else None,
            args.range,
            device=args.device,
            skip=args.skip,
            stats=args.stats,
            sass=args.sass,
            rules=args.rules,
            jobs=args.jobs,
            dask=args.dask,
            on_answer=progress.step,
        )
    _put(found, form, args)
    unread = len(found.traces) - found.answered
    if unread:
        print(f"note: {unread} of {count(len(found.traces), 'trace')} could not be read", file=sys.stderr)
    return TraceError.exit_code if unread and args.strict else 0


def _refuse(args: argparse.Namespace, form: str) -> None:
    """Raises UsageError for what one trace alone can answer."""
    for option, given in (
        ("--layers", args.layers),
        ("--profile", args.profile),
        ("--by", args.by),
        ("--range-depth", args.range_depth),
        ("--view", args.view),
        ("--keep-fp16", args.keep_fp16),
        ("an HTML page", form == "html"),
    ):
        if given:
            alone = "is of one trace" if option.startswith("-") else "shows one trace"
            raise UsageError(f"{option} {alone}, and {len(args.traces)} are given", "leave it out, or give one trace")
    if args.jobs and args.dask:
        raise UsageError("--jobs starts processes here, --dask asks workers elsewhere", "give one of them")


def _put(found: TraceSet, form: str, args: argparse.Namespace) -> None:
    if form == "json":
        put(found.to_json(), args.output)
    elif form == "csv":
        from tcscope.render.many.comma import traces_csv

        put(traces_csv(found), args.output)
    elif form == "md":
        from tcscope.render.many.markdown import as_markdown

        put(as_markdown(found, top=args.top), args.output)
    else:
        from tcscope.render.many import terminal

        if args.output is None:
            terminal.write(found, sys.stdout, top=args.top, full_names=args.full_names)
        else:
            put(terminal.as_text(found, top=args.top, full_names=args.full_names), args.output)


class Progress:
    """`3 of 12 traces` on the terminal's error output, if there is one and it takes longer than a second."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._done = 0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._show, daemon=True)

    def step(self) -> None:
        """Count one more."""
        self._done += 1

    def __enter__(self) -> Progress:
        if sys.stderr.isatty():
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        if self._thread.is_alive():
            self._thread.join()

    def _show(self) -> None:
        wait, shown = _PATIENCE_S, ""
        while not self._over.wait(wait):
            shown = f"{self._done} of {count(self._total, 'trace')} ..."
            sys.stderr.write(f"\r{shown}")
            sys.stderr.flush()
            wait = _EVERY_S
        if shown:
            sys.stderr.write(f"\r{'':{len(shown)}}\r")
            sys.stderr.flush()
