"""The rules prove themselves: every example is won by its rule with the fields it expects, every near miss is lost."""

from __future__ import annotations

from tcscope.model import Verdict
from tcscope.rulebook.ambiguity import is_ambiguous
from tcscope.rulebook.book import RuleBook
from tcscope.rulebook.rule import Example, Rule


def failures(book: RuleBook) -> list[str]:
    """What the rules promise and don't keep, one `path:line: what, and why` each; empty: the set is sound."""
    found = [
        f"{rule.path}:{rule.line}: the regex of '{rule.id}' can take exponential time: a repeat in it reads one text"
        " in two ways, as (a+)+ does"
        for rule in book.rules
        if is_ambiguous(rule.pattern)
    ]
    if found:  # the examples might never end
        return found
    for rule in book.rules:
        if not rule.examples:
            found.append(f"{rule.path}:{rule.line}: rule '{rule.id}' has no example of a name it claims")
        if not rule.counter_examples:
            found.append(
                f"{rule.path}:{rule.line}: rule '{rule.id}' has no counter-example (a near miss it must not claim)"
            )
        found += _example_failures(book, rule) + _near_miss_failures(book, rule)
    return found


def _example_failures(book: RuleBook, rule: Rule) -> list[str]:
    found = []
    for example in rule.examples:
        sm = example.sm if example.sm is not None else rule.sm_min if rule.sm_min is not None else rule.sm_max
        verdict = book.classify(example.name, sm)
        place = f"{rule.path}:{example.line}: example of '{rule.id}'"
        if verdict.rule != rule.id:
            found.append(f"{place} {_taken_by(book, rule, example, verdict)}: {_cut(example.name)}")
            continue
        for name, expected in example.expect.items():
            said = getattr(verdict, name)
            if (said or "null") != expected:
                found.append(f"{place} has {name} {said or 'null'}, expected {expected}: {_cut(example.name)}")
    return found


def _taken_by(book: RuleBook, rule: Rule, example: Example, verdict: Verdict) -> str:
    """Why another rule, or none, claimed an example."""
    winner = next((other for other in book.rules if other.id == verdict.rule), None)
    if winner is None:
        return f"is not matched by its regex (it sees the name as '{_cut(book.explain(example.name).canonical)}')"
    where = f"is claimed by '{winner.id}' ({winner.path}:{winner.line})"
    if book.rules.index(winner) < book.rules.index(rule):
        return f"{where}, which comes first: narrow that rule, or move '{rule.id}' before it"
    return f"{where}, since its own regex does not match"


def _near_miss_failures(book: RuleBook, rule: Rule) -> list[str]:
    found = []
    for near_miss in rule.counter_examples:
        claimed = book.classify(near_miss.name, near_miss.sm).rule
        if claimed != near_miss.claimed_by:
            place = f"{rule.path}:{near_miss.line}: counter-example of '{rule.id}'"
            expected = f"'{near_miss.claimed_by}'" if near_miss.claimed_by else "nobody"
            taker = f"'{claimed}'" if claimed else "nobody"
            found.append(f"{place} is claimed by {taker}, expected {expected}: {_cut(near_miss.name)}")
        elif near_miss.claimed_by == rule.id:
            found.append(f"{rule.path}:{near_miss.line}: a counter-example of '{rule.id}' can't be claimed by it")
    return found


def _cut(name: str, width: int = 120) -> str:
    return name if len(name) <= width else name[: width - 3] + "..."
