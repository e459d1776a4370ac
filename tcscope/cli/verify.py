"""Hold each verdict against hardware counters: right, wrong or unknown, by time and by kernels.

TRACE is a trace or a saved report. The counters are a CSV of Nsight Compute (`ncu --csv`, with --page raw or without)
or an .ncu-rep, as `tcscope profile --counters` or a run of your own recorded them. A kernel used Tensor Cores where one
of sm__ops_path_tensor_src_* is above zero. The exit code is 1 where a verdict is wrong.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from tcscope.cli.options import Commands, add_rules, add_selection, add_sm, command, count_from_0
from tcscope.cli.output import put
from tcscope.errors import UsageError

_SUFFIXES = {".yaml": "yaml", ".yml": "yaml", ".json": "json", ".csv": "csv", ".txt": "table"}


def add_to(commands: Commands) -> None:
    """Declare `tcscope verify`."""
    parser = command(commands, "verify", __doc__, "tcscope verify trace.sqlite --ncu counters.csv -o examples.yaml")
    parser.add_argument("trace", metavar="TRACE", help="a trace or a saved report")
    parser.add_argument("--ncu", metavar="FILE", required=True, help="counters.csv of ncu --csv, or an .ncu-rep")
    add_selection(parser.add_argument_group("which launches"), "inside the NVTX range NAME")
    how = parser.add_argument_group("how they are judged")
    add_sm(how, ", where the trace doesn't know its GPU")
    add_rules(how)
    out = parser.add_argument_group("what is shown")
    out.add_argument("--top", metavar="N", type=count_from_0, default=10, help="list the N longest (default 10)")
    out.add_argument("--full-names", action="store_true", help="never cut a kernel's name")
    out.add_argument("--format", choices=("table", "json", "csv", "yaml"), help="default: what the suffix of -o says")
    out.add_argument(
        "-o", "--output", metavar="FILE", type=Path, help="write FILE: .yaml: the differences as rules; .json .csv .txt"
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Verify, show, and return 1 where a verdict is wrong."""
    from tcscope.analysis.pipeline import analyze
    from tcscope.analysis.verify import verify
    from tcscope.hardware import parse_sm
    from tcscope.model.verification import Score
    from tcscope.render import verify as render
    from tcscope.rulebook import RuleBook

    form = _form(args)
    sm = parse_sm(args.sm) if args.sm is not None else None
    book = RuleBook.load(args.rules)
    report = analyze(args.trace, sm, args.range, device=args.device, skip=args.skip, book=book)
    found = verify(report, args.ncu)
    page = render.as_text(found, top=args.top, full_names=args.full_names)
    if form == "table":
        put(page, args.output)
    elif form == "json":
        put(found.to_json(), args.output)
    elif form == "csv":
        put(render.as_csv(found), args.output)
    else:
        from tcscope.analysis.verify_examples import example_rules
        from tcscope.render.verify_rules import as_yaml

        if args.output is not None:
            sys.stdout.write(page)  # a file takes the rules: the answer still belongs on the screen
        put(as_yaml(example_rules(found, book), found), args.output)
    different = len(found.of(Score.WRONG)) + len(found.of(Score.UNKNOWN))
    if different and form == "table":
        print(f"  hint: tcscope verify {args.trace} --ncu {args.ncu} -o examples.yaml  # as rules", file=sys.stderr)
    return 1 if found.of(Score.WRONG) else 0


def _form(args: argparse.Namespace) -> str:
    if args.format or args.output is None:
        return str(args.format or "table")
    if args.output.suffix not in _SUFFIXES:
        known = ", ".join(_SUFFIXES)
        raise UsageError(f"the suffix of {args.output} names no format", f"end it in {known}, or give --format")
    return _SUFFIXES[args.output.suffix]
