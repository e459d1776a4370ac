"""How `tcscope rules` shows rules: a line each, or one whole."""

from __future__ import annotations

from collections.abc import Sequence

from tcscope.rulebook import Rule
from tcscope.rulebook.rule import Choice, Reference


def listing(rules: Sequence[Rule]) -> str:
    """A line a rule: id, unit, evidence, title."""
    width = max((len(rule.id) for rule in rules), default=0)
    return "\n".join(f"{rule.id:{width}}  {rule.unit:<11}  {rule.evidence:<10}  {rule.title}" for rule in rules)


def one(rule: Rule) -> str:
    """A rule with all it says."""
    rows = [("rule", rule.id), ("title", rule.title), ("file", f"{rule.path}:{rule.line}")]
    rows += [("regex", f"{rule.pattern.pattern}  (against the {rule.against} name)"), ("unit", rule.unit)]
    rows += [(name, " or else ".join(map(_choice, choices))) for name, choices in rule.fields.items()]
    if rule.has_arch:
        rows.append(("arch", f"{_sm(rule.sm_min) or 'any'} to {_sm(rule.sm_max) or 'any'}"))
    rows.append(("evidence", f"{rule.evidence}: {rule.source}"))
    rows += [("example", example.name) for example in rule.examples]
    rows += [
        ("near miss", f"{near.name}  (claimed by {near.claimed_by or 'nobody'})") for near in rule.counter_examples
    ]
    return "\n".join(f"{label:<11} {text}" for label, text in rows)


def _sm(sm: int | None) -> str:
    return "" if sm is None else f"sm_{sm}"


def _choice(choice: Choice) -> str:
    if isinstance(choice, Reference):
        return f"(?P<{choice.group}>) through token table '{choice.table}'"
    return str(choice)
