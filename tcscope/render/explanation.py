"""How `tcscope explain` answers: JSON for scripts, a few lines for people."""

from __future__ import annotations

import json
import textwrap

from tcscope.model import Verdict
from tcscope.rulebook import Explanation, Rule
from tcscope.wording import json_text, plain


def as_json(name: str, verdict: Verdict) -> str:
    """One object on one line; what is not known is null (`unknown` where that is a word of the vocabulary)."""
    said = json.dumps(
        {
            "name": name,
            "unit": verdict.unit,
            "precision": verdict.precision,
            "accumulate": verdict.accumulate,
            "op": verdict.op,
            "rule": verdict.rule,
            "evidence": verdict.evidence,
            "src": verdict.src,
            "dst": verdict.dst,
            "note": verdict.note or None,
        },
        ensure_ascii=False,
    )
    return json_text(said)


def as_text(explanation: Explanation) -> str:
    """A verdict line, then rule, evidence, tokens and the rules that came too late."""
    verdict = explanation.verdict
    lines = [plain(explanation.name), f"  {in_words(verdict)}"]
    if verdict.note:
        lines.append(_row("note", verdict.note))
    if explanation.rule is not None:
        lines.append(_row("rule", f"{explanation.rule.id}: {explanation.rule.title} ({_place(explanation.rule)})"))
        lines.append(_row("evidence", f"{verdict.evidence}: {verdict.source}"))
    elif explanation.also:
        lines.append(_row("rule", "undecided between those below"))
    else:
        lines.append(_row("rule", "none claims this name; `tcscope rules list` shows those there are"))
    if explanation.canonical != explanation.name:
        lines.append(_row("read as", plain(explanation.canonical)))
    width = max((len(token.token) for token in explanation.tokens), default=0)
    for number, token in enumerate(explanation.tokens):
        lines.append(_row("" if number else "tokens", f"{plain(token.token):{width}}  {token.means}"))
    for number, rule in enumerate(explanation.also):
        lines.append(
            _row(
                "" if number else "also" if explanation.rule else "either", f"{rule.id}: {rule.title} ({_place(rule)})"
            )
        )
    return "\n".join(lines) + "\n"


def in_words(verdict: Verdict) -> str:
    """`tensor_core, fp16 accumulating in fp32, conv`."""
    precision = f"{verdict.precision} precision" if verdict.precision == "unknown" else str(verdict.precision)
    if verdict.accumulate:
        precision += f" accumulating in {verdict.accumulate}"
    op = f"{verdict.op} op" if verdict.op == "unknown" else str(verdict.op)
    if verdict.src or verdict.dst:
        op += f" {verdict.src or '?'} -> {verdict.dst or '?'}"
    return f"{verdict.unit}, {precision}, {op}"


def _row(label: str, text: str) -> str:
    """A labelled line, wrapped under itself; a name without blanks stays whole, to be copied."""
    head = f"  {label:<9} "
    indent = " " * len(head)
    return textwrap.fill(head + text, 80, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)


def _place(rule: Rule) -> str:
    return f"{rule.path}:{rule.line}"
