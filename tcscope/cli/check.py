"""Fail a build when a rebuild leaves the Tensor Cores: hold a trace against a budget and a baseline.

TRACE is a trace or a saved report. The budget is tcscope.yaml or [tool.tcscope] in pyproject.toml of the current
folder, and what the options add. A condition is METRIC < | <= | > | >= VALUE, such as: tensor_share < baseline - 2pp,
kernel_time_per_range > baseline + 5%, unit.tensor_core.share < 75%, kernel["*ffma*"].share > 0%,
layer["/conv1/*"].unit == tensor_core.

The exit code is 1 where a condition failed, 2 where budget or command line are wrong, 3 where the trace or the baseline
can't answer.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tcscope.cli.options import Commands, add_rules, add_sm, command, count_from_0
from tcscope.cli.output import put
from tcscope.errors import UsageError

if TYPE_CHECKING:
    from tcscope.analysis.budget.budget import Budget, Entry
    from tcscope.model import Report, Selection
    from tcscope.model.check import Check

SUFFIXES = {".txt": "table", ".json": "json", ".md": "markdown", ".xml": "junit"}
FORMATS = ("table", "github", "junit", "json", "markdown", "md")


def add_to(commands: Commands) -> None:
    """Declare `tcscope check`."""
    parser = command(
        commands,
        "check",
        __doc__,
        "tcscope check trace.sqlite --baseline report.json --fail-on 'tensor_share < baseline - 2pp'",
    )
    parser.add_argument("trace", metavar="TRACE", nargs="?", help="a trace, a saved report, or trtexec's layers.json")
    what = parser.add_argument_group("what must hold")
    what.add_argument("--budget", metavar="FILE", type=Path, help="default: tcscope.yaml, or pyproject.toml")
    what.add_argument("--baseline", metavar="REPORT", type=Path, help="a saved report (default: the budget's)")
    for option, of in (("fail-on", "fail where this holds"), ("warn-on", "warn where this holds")):
        what.add_argument(f"--{option}", metavar="CONDITION", action="append", default=[], help=f"{of}; repeatable")
    what.add_argument(
        "--require", metavar="CONDITION", action="append", default=[], help="fail unless this holds; repeatable"
    )
    what.add_argument(
        "--allow-mismatch", action="store_true", help="compare with a baseline of another GPU or another range"
    )
    which = parser.add_argument_group("which launches (default: what the budget says)")
    which.add_argument("--range", metavar="NAME", help="only launches inside the NVTX range NAME")
    which.add_argument("--skip", metavar="N", type=count_from_0, help="leave out the first N instances of the range")
    which.add_argument("--device", metavar="N", type=count_from_0, help="only this GPU, by its number in the trace")
    how = parser.add_argument_group("how they are judged")
    add_sm(how, ", where the trace doesn't know its GPU")
    how.add_argument("--layers", metavar="FILE", type=Path, help="--exportLayerInfo: layers that the trace hides")
    add_rules(how)
    out = parser.add_argument_group("what is done")
    out.add_argument("--format", choices=FORMATS, help="default: what the suffix of -o says, else table")
    out.add_argument("-o", "--output", metavar="FILE", type=Path, help="write FILE (.txt .json .md .xml: JUnit)")
    out.add_argument("--full-names", action="store_true", help="never cut a name")
    out.add_argument("--exit-zero", action="store_true", help="exit 0 though a condition failed")
    out.add_argument(
        "--update-baseline", action="store_true", help="write the baseline, unless a condition without one fails"
    )
    out.add_argument("--force", action="store_true", help="write it though one fails")
    out.add_argument("--history", metavar="DB", type=Path, help="append the check to this SQLite file")
    out.add_argument("--commit", metavar="SHA", help="of what commit it is (default: the build server's, or git's)")
    out.add_argument("--validate", metavar="FILE", nargs="*", type=Path, help="read budget files, and no trace")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Check a trace, or write its baseline, or read budget files alone."""
    from tcscope.analysis.budget import run as budgets
    from tcscope.analysis.budget.baseline import load_baseline
    from tcscope.analysis.budget.file import find_budget

    if args.validate is not None:
        return _validate(args)
    if args.trace is None:
        raise UsageError("no trace is given", "tcscope check TRACE, or: tcscope check --validate")
    form = _form_of(args)
    budget = find_budget(args.budget, Path())
    entries = [*budget.entries, *_of_options(args)]
    path = args.baseline or budget.baseline
    if args.update_baseline:
        return _update(args, budget, entries, form)
    if not entries:
        raise UsageError("there is no budget here, and no condition", budgets.NO_CONDITION)
    history = args.history or budget.history
    sha = _commit(args.commit, history) if history is not None else ""
    base = load_baseline(path) if path is not None else None
    budgets.needs_baseline(entries, base)
    report = _report(args, budget)
    check = budgets.check(
        report,
        entries,
        base=base,
        base_file=str(path) if base is not None else "",
        budget_file=budget.file,
        allow_mismatch=args.allow_mismatch,
    )
    if history is not None:  # before the answer: there is none where this fails
        _remember(history, report, check, sha)
    _show(check, form, args)
    return 0 if args.exit_zero else check.exit_code


def _report(args: argparse.Namespace, budget: Budget) -> Report:
    from tcscope.analysis.budget.run import report_of

    sm = None
    if args.sm is not None:
        from tcscope.hardware import parse_sm

        sm = parse_sm(args.sm)
    return report_of(args.trace, _selection(args, budget), sm=sm, layers=args.layers or budget.layers, rules=args.rules)


def _selection(args: argparse.Namespace, budget: Budget) -> Selection:
    """What the command line says, and else the budget."""
    from tcscope.model import Selection

    of = budget.selection
    return Selection(
        args.range if args.range is not None else of.range,
        args.skip if args.skip is not None else of.skip,
        args.device if args.device is not None else of.device,
    )


def _of_options(args: argparse.Namespace) -> tuple[Entry, ...]:
    from tcscope.analysis.budget.budget import read_options
    from tcscope.model.check import Clause

    return read_options(
        ((Clause.FAIL_ON, args.fail_on), (Clause.WARN_ON, args.warn_on), (Clause.REQUIRE, args.require))
    )


def _update(args: argparse.Namespace, budget: Budget, entries: list[Entry], form: str) -> int:
    """Write the baseline; a trace that breaks conditions without one is refused with code 1."""
    from tcscope.analysis.budget import run as budgets
    from tcscope.analysis.budget.baseline import save_baseline

    path = args.baseline or budget.baseline
    if path is None:
        raise UsageError("where is the baseline to be?", "--baseline report.json, or 'baseline:' in tcscope.yaml")
    report = _report(args, budget)
    absolute = budgets.absolute(entries)
    if absolute:
        check = budgets.check(report, absolute, budget_file=budget.file)
        _show(check, form, args)
        if check.exit_code and not args.force:
            print(f"error: {path} is not written: {check.summary}", file=sys.stderr)
            print("  hint: --force writes it all the same", file=sys.stderr)
            return 1
    save_baseline(path, report)
    print(f"wrote {path}: {budgets.told(report)}", file=sys.stderr)
    return 0


def _validate(args: argparse.Namespace) -> int:
    from tcscope.analysis.budget.file import NAME, PROJECT, validate
    from tcscope.wording import count

    files = [Path(args.trace)] if args.trace else []
    files += args.validate
    found = validate(files or [path for path in (Path(NAME), Path(PROJECT)) if path.is_file()])
    if not found:
        raise UsageError(f"neither {NAME} nor {PROJECT} is here", f"tcscope check --validate {NAME}")
    for path, budget in found:
        said = count(len(budget.entries), "condition") if budget is not None else "no [tool.tcscope]"
        print(f"{path}: {said}")
    return 0


def _commit(asked: str | None, history: Path) -> str:
    """The commit that goes into the history. Raises UsageError where nobody knows it, before anything is done."""
    from tcscope.sources.history_commit import commit

    sha = commit(asked)
    if not sha:
        raise UsageError(
            f"nobody says of which commit {history} is to hold this check", "--commit $(git rev-parse HEAD)"
        )
    return sha


def _remember(path: Path, report: Report, check: Check, sha: str) -> None:
    from tcscope.analysis.history import append

    if append(path, report, check, sha):
        print(f"wrote {path}: {report.trace.file} at {sha[:12]}", file=sys.stderr)
    else:
        print(f"note: {path} has {report.trace.file} at {sha[:12]} already", file=sys.stderr)


def _form_of(args: argparse.Namespace) -> str:
    if args.format:
        return "markdown" if args.format == "md" else str(args.format)
    if args.output is None:
        return "table"
    if args.output.suffix not in SUFFIXES:
        raise UsageError(
            f"the suffix of {args.output} names no format", f"end it in {', '.join(SUFFIXES)}, or give --format"
        )
    return SUFFIXES[args.output.suffix]


def _show(check: Check, form: str, args: argparse.Namespace) -> None:
    if form == "table" and args.output is None:
        from tcscope.render.check import terminal

        terminal.write(check, sys.stdout, full_names=args.full_names)
    else:
        put(_rendered(check, form, args), args.output)


def _rendered(check: Check, form: str, args: argparse.Namespace) -> str:
    if form == "json":
        return check.to_json()
    if form == "github":
        from tcscope.render.check.github import as_github

        return as_github(check)
    if form == "junit":
        from tcscope.render.check.junit import as_junit

        return as_junit(check)
    if form == "markdown":
        from tcscope.render.check.markdown import as_markdown

        return as_markdown(check)
    from tcscope.render.check import terminal

    return terminal.as_text(check, full_names=args.full_names)
