"""List, show and test the rules that turn a kernel's name into a verdict."""

from __future__ import annotations

import argparse
import sys

from tcscope.cli import coverage
from tcscope.cli.options import Commands, add_rules, command


def add_to(commands: Commands) -> None:
    """Declare `tcscope rules list / show / test / coverage`."""
    parser = command(commands, "rules", __doc__, "tcscope rules test my-rules.yaml")
    verbs = parser.add_subparsers(metavar="VERB", dest="verb", required=True)

    listing = command(verbs, "list", "List every rule in the order in which they are tried.", "tcscope rules list")
    add_rules(listing)
    listing.set_defaults(run=run_list)

    show = command(verbs, "show", "Show one rule with its evidence and examples.", "tcscope rules show cudnn-h884")
    show.add_argument("id", help="the rule's id")
    add_rules(show)
    show.set_defaults(run=run_show)

    test = command(
        verbs,
        "test",
        "Prove the whole set: each example won by its rule, each near miss lost.",
        "tcscope rules test my-rules.yaml",
    )
    test.add_argument(
        "paths", nargs="*", metavar="PATH", help="a user's rule files or folders, before the built-in ones"
    )
    test.set_defaults(run=run_test)

    coverage.add_to(verbs)


def run_list(args: argparse.Namespace) -> int:
    """Print a line a rule."""
    from tcscope.render import rules as render
    from tcscope.rulebook import RuleBook

    sys.stdout.write(render.listing(RuleBook.load(args.rules).rules) + "\n")
    return 0


def run_show(args: argparse.Namespace) -> int:
    """Print one rule whole."""
    from tcscope.errors import UsageError, did_you_mean
    from tcscope.render import rules as render
    from tcscope.rulebook import RuleBook

    by_id = {rule.id: rule for rule in RuleBook.load(args.rules).rules}
    if args.id not in by_id:
        raise UsageError(f"no rule '{args.id}'{did_you_mean(args.id, by_id)}", "tcscope rules list")
    sys.stdout.write(render.one(by_id[args.id]) + "\n")
    return 0


def run_test(args: argparse.Namespace) -> int:
    """Run the rules' own examples; 1 when one fails."""
    from tcscope.rulebook import RuleBook
    from tcscope.rulebook.selftest import failures

    book = RuleBook.load(args.paths)
    found = failures(book)
    for line in found:
        sys.stdout.write(line + "\n")
    examples = sum(len(rule.examples) + len(rule.counter_examples) for rule in book.rules)
    verdict = f"{len(found)} failures" if found else "all hold"
    sys.stdout.write(f"{len(book.rules)} rules, {examples} examples and near misses: {verdict}\n")
    return 1 if found else 0
