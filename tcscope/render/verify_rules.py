"""The differences that verify found, as a rule file that loads and proves itself."""

from __future__ import annotations

from collections.abc import Sequence

from tcscope.analysis.verify_examples import ExampleRule, expectation
from tcscope.model.verification import Verification
from tcscope.render.coverage import quoted


def as_yaml(rules: Sequence[ExampleRule], found: Verification) -> str:
    """A rule file with one rule a kernel; without differences, only a comment."""
    if not rules:
        return "# no counted kernel was wrong or unknown: there is nothing to add\n"
    lines = [
        "# What hardware counters say of kernels that the rules judged wrongly, or not at all. Each name stands for",
        "# itself: widen a regex only where the whole family is known. Keep the file, or move the examples to a rule:",
        "#   tcscope rules test FILE            proves it",
        "#   tcscope analyze --rules FILE TRACE",
        "schema: tcscope.rules/1",
        f"about: {quoted(f'Kernels of {found.trace.file} by hardware counters ({found.counters})')}",
        "rules:",
    ]
    for rule in rules:
        lines += _rule(rule, found.counters)
    return "\n".join(lines) + "\n"


def _rule(rule: ExampleRule, counters: str) -> list[str]:
    kernel, fields = rule.kernel, expectation(rule.kernel)
    sm = f"sm: {kernel.sm}, " if kernel.sm is not None else ""
    expect = ", ".join(f"{name}: {value}" for name, value in fields.items())
    above = ", ".join(value.metric for value in kernel.truth.counters) or "every sm__ops_path_tensor_src_* is zero"
    said = f"rule {kernel.rule} says" if kernel.rule else "no rule says"
    title = f"Counted; {said} {kernel.unit} {kernel.precision}"
    lines = [
        f"  - id: {rule.id}",
        f"    title: {quoted(title)}",
        f"    match: {{regex: {quoted(rule.pattern)}}}",
        *(f"    {name}: {value}" for name, value in fields.items()),
        f"    op: {kernel.op}",
        *([f"    arch: {{min: {kernel.sm}, max: {kernel.sm}}}"] if kernel.sm is not None else []),
        f"    evidence: {{level: counter, source: {quoted(f'Nsight Compute, {counters}: {above}')}}}",
        "    examples:",
        f"      - {{name: {quoted(kernel.name)}, {sm}expect: {{{expect}}}}}",
        "    counter_examples:",
    ]
    claimed = rule.near_miss.claimed_by or "null"
    return [*lines, f"      - {{name: {quoted(rule.near_miss.name)}, {sm}claimed_by: {claimed}}}"]
