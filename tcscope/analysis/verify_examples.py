"""What verify found different, as rules: each claims one name, with the counters as its evidence and its own proof."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass

from tcscope.model import Precision, Unit
from tcscope.model.verification import Checked, Score, Verification
from tcscope.rulebook import RuleBook, canonical

_META = re.compile(r"([.^$*+?{}\[\]\\|()])")


@dataclass(frozen=True, slots=True)
class NearMiss:
    """A name that the rule must not claim, and the rule that does (None: nobody)."""

    name: str
    claimed_by: str | None


@dataclass(frozen=True, slots=True)
class ExampleRule:
    """A rule for one kernel whose verdict was wrong or open."""

    id: str
    pattern: str
    kernel: Checked
    near_miss: NearMiss


def example_rules(found: Verification, book: RuleBook) -> list[ExampleRule]:
    """A rule for every kernel that was wrong or unknown, in the order of their time; `book` judged them.

    A name is claimed as a whole: another number in it may be another program.
    """
    different = [*found.of(Score.WRONG), *found.of(Score.UNKNOWN)]
    by_name: dict[tuple[str, int | None], Checked] = {}
    for kernel in different:
        by_name.setdefault((canonical(kernel.name), kernel.sm), kernel)
    made = [(f"counted-{_words(kernel)}-{at}", name, sm, kernel) for at, ((name, sm), kernel) in _numbered(by_name)]
    taken = {(name, sm): rule_id for rule_id, name, sm, _ in made}
    others = {canonical(kernel.name): kernel.name for kernel in found.kernels}
    rules = []
    for rule_id, name, sm, kernel in made:
        near = _nearest(name, [other for other in others if other != name])
        claimed = taken.get((near, sm)) or book.classify(others.get(near, near), sm).rule
        rules.append(ExampleRule(rule_id, f"^{_escaped(name)}$", kernel, NearMiss(others.get(near, near), claimed)))
    return rules


def expectation(kernel: Checked) -> dict[str, str]:
    """What the counters say of a kernel, as the fields of a rule."""
    truth = kernel.truth
    fields = {"unit": str(truth.unit)}
    if truth.unit is Unit.TENSOR_CORE:
        fields["precision"] = str(truth.precision)
    elif kernel.unit is Unit.CUDA_CORE and kernel.precision is not Precision.UNKNOWN:
        fields["precision"] = str(kernel.precision)
    return fields


def _numbered(
    found: dict[tuple[str, int | None], Checked],
) -> Sequence[tuple[int, tuple[tuple[str, int | None], Checked]]]:
    return list(enumerate(found.items(), 1))


def _nearest(name: str, others: Sequence[str]) -> str:
    """The most similar other name; without another the name with a letter more."""
    near = difflib.get_close_matches(name[:200], [other[:200] for other in others], n=1, cutoff=0.0)
    return next((other for other in others if near and other[:200] == near[0]), f"{name}_")


def _words(kernel: Checked) -> str:
    precision = kernel.truth.precision
    return "-".join(
        [kernel.truth.unit.replace("_", "-"), *([str(precision)] if precision is not Precision.UNKNOWN else [])]
    )


def _escaped(name: str) -> str:
    return _META.sub(r"\\\1", name)
