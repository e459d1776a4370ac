"""How `tcscope rules coverage` answers: a list for people, or rules to fill in."""

from __future__ import annotations

import json

from tcscope.analysis.coverage import Coverage, Family, Gap, families
from tcscope.wording import unsteered

_EXAMPLES = 3


def as_text(found: Coverage, top: int | None = None) -> str:
    """What part has no verdict, then each name whole, largest first."""
    if not found.gaps:
        return f"all {_plural(found.kernels, 'kernel')} have a verdict\n" if found.kernels else "no kernel names\n"
    shown = found.gaps if top is None else found.gaps[:top]
    lines = [_headline(found), ""]
    for gap in shown:
        lines += [_figures(gap, found), f"  {gap.name}"]
    if len(shown) < len(found.gaps):
        lines += ["", f"and {len(found.gaps) - len(shown)} more (--top {len(found.gaps)})"]
    return unsteered("\n".join(lines) + "\n")


def as_yaml(found: Coverage, top: int | None = None) -> str:
    """A rule file with one rule to fill in for each function without a verdict. It loads as it stands."""
    chosen = families(found.gaps if top is None else found.gaps[:top])
    if not chosen:
        return "# every kernel has a verdict: no rule is missing\n"
    lines = [
        "# A rule to fill in for each kernel without a verdict. Keep this file beside your project:",
        "#   tcscope rules test my-rules.yaml      proves it, and says what is still missing",
        "#   tcscope analyze --rules my-rules.yaml TRACE",
        "# unit: tensor_core only where you know that the code holds a matrix instruction (cuobjdump -sass,",
        "# or a hardware counter), cuda_core only where you know that it holds none. Say in evidence how you know.",
        "schema: tcscope.rules/1",
        "about: 'Kernels of my own'",
        "rules:",
    ]
    for family in chosen:
        lines += _rule(family)
    return unsteered("\n".join(lines) + "\n")


def _headline(found: Coverage) -> str:
    whole, gaps = _plural(found.kernels, "kernel"), len(found.gaps)
    verb = "has" if gaps == 1 else "have"
    if found.ns is None:
        return f"{gaps} of {whole} {verb} no verdict: {100 * found.share:.1f} % of the names"
    return (
        f"{gaps} of {whole} {verb} no verdict: {100 * found.share:.1f} % of the kernel time "
        f"({_ms(sum(gap.ns or 0 for gap in found.gaps))} of {_ms(found.ns)})"
    )


def _figures(gap: Gap, found: Coverage) -> str:
    if gap.ns is None:
        figures = f"{gap.launches:6} x"
    else:
        share = 100 * gap.ns / found.ns if found.ns else 0.0
        figures = f"{share:5.1f} %  {_ms(gap.ns):>12}  {gap.launches:6} x"
    why = f"rule {gap.rule}" if gap.rule else gap.note or "no rule"
    return f"{figures}  {gap.op} op, {why}"


def _rule(family: Family) -> list[str]:
    first = family.gaps[0]
    named = [gap.name for gap in family.gaps[:_EXAMPLES]]
    return [
        f"  - id: {family.id}",
        "    title: 'what the kernel does'",
        f"    match: {{regex: {quoted(family.pattern)}}}",
        "    unit: unknown  # tensor_core | cuda_core",
        "    precision: unknown  # fp16, bf16, tf32, int8, fp8, fp32, ...",
        f"    op: {first.op}  # gemm, conv, attention, elementwise, reduce, ...",
        "    evidence: {level: none, source: 'how you know, where a reader can check it'}",
        "    examples:",
        *(f"      - {{name: {quoted(name)}}}" for name in named),
        "    counter_examples:  # a near miss: a similar name that this rule must not claim, and who wins it",
        f"      - {{name: {quoted('a_similar_name')}, claimed_by: null}}",
    ]


def quoted(text: str) -> str:
    """Text as a YAML scalar in single quotes; in double quotes where it holds what those can't."""
    return json.dumps(text) if not text.isprintable() else "'" + text.replace("'", "''") + "'"


def _plural(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _ms(ns: int) -> str:
    return f"{ns / 1e6:.3f} ms"
