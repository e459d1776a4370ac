"""The rulebook: from a kernel's name to a verdict with evidence. First match wins; no match is `unknown`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tcscope import hardware
from tcscope.data import rules_dir
from tcscope.model import Verdict
from tcscope.rulebook.load import load_rules, rule_files
from tcscope.rulebook.normalize import LONGEST, canonical, short_name
from tcscope.rulebook.rule import Rule
from tcscope.rulebook.tokens import Meaning, TokenTables


@dataclass(frozen=True, slots=True)
class Explanation:
    """A name taken apart: the verdict, the rule that gave it, the rules it kept from winning, the tokens' meanings."""

    name: str
    canonical: str
    verdict: Verdict
    rule: Rule | None
    also: tuple[Rule, ...]
    tokens: tuple[Meaning, ...]


class RuleBook:
    """Rules in order, and what their tokens mean. Make one with `builtin()` or `load(paths)`."""

    def __init__(self, rules: Sequence[Rule], tokens: TokenTables) -> None:
        self.rules = tuple(rules)
        self.tokens = tokens
        self.needs_mangled = any(rule.against == "mangled" for rule in self.rules)
        self._needs_short = any(rule.against == "short" for rule in self.rules)

    @classmethod
    def builtin(cls) -> RuleBook:
        """The rules that ship with tcscope."""
        return cls.load(())

    @classmethod
    def load(cls, paths: Iterable[str | Path]) -> RuleBook:
        """A user's rule files or folders first, then the built-in ones. Raises ConfigError, UsageError."""
        return cls(*load_rules(rule_files([*map(Path, paths), rules_dir()])))

    def classify(
        self, name: str, sm: int | None = None, *, gpu: hardware.Gpu | None = None, mangled: str = ""
    ) -> Verdict:
        """The verdict on a kernel's demangled name.

        `sm` is the compute capability of the GPU it ran on (87 for 8.7), `gpu` that GPU where more is known of it.
        Where the architecture decides and is not known, the verdict is `unknown` and its note says so.
        """
        if gpu is None and sm is not None:
            gpu = hardware.gpu(sm)
        sm = gpu.sm if gpu is not None else sm
        verdict = self._by_name(name, sm, mangled)
        return gpu.limit(verdict) if gpu is not None else verdict

    def explain(self, name: str, sm: int | None = None) -> Explanation:
        """Why a name gets its verdict: the winner, who else would have matched, what its tokens mean."""
        verdict = self.classify(name, sm)
        matching = [rule for rule, _ in self._matches(name, "") if sm is None or rule.applies_to(sm)]
        winner = next((rule for rule in matching if rule.id == verdict.rule), None)
        also = [rule for rule in matching if rule is not winner]
        if winner is None:  # the architecture decides: no rule after the first that holds on all of them can win
            last = next((at for at, rule in enumerate(also) if not rule.has_arch), len(also))
            also = also[: last + 1]
        text = canonical(name)
        return Explanation(name, text, verdict, winner, tuple(also), tuple(self.tokens.decode(text)))

    def cue(self, name: str) -> str:
        """The part of a name that tells most about its instructions; a cut name keeps it."""
        return self.tokens.cue(name[:LONGEST])

    def _by_name(self, name: str, sm: int | None, mangled: str) -> Verdict:
        possible: list[Verdict] = []
        for rule, verdict in self._matches(name, mangled):
            if sm is not None and not rule.applies_to(sm):
                continue
            possible.append(verdict)
            if sm is not None or not rule.has_arch:
                break
        else:
            possible.append(Verdict())
        first = possible[0]
        if all((other.unit, other.precision) == (first.unit, first.precision) for other in possible):
            return first
        return _undecided(possible)

    def _matches(self, name: str, mangled: str) -> Iterable[tuple[Rule, Verdict]]:
        """The rules that match a name on some architecture, in order, each with its verdict."""
        texts = {
            "demangled": canonical(name),
            "mangled": (mangled or (name if name.startswith("_Z") else ""))[:LONGEST],
        }
        if self._needs_short:
            texts["short"] = short_name(name)
        for rule in self.rules:
            match = rule.search(texts[rule.against])
            if match is not None:
                yield rule, rule.verdict(match, self.tokens)


def _undecided(possible: list[Verdict]) -> Verdict:
    """What all verdicts agree on when the architecture would choose between them; the unit and precision are open."""
    first = possible[0]
    same_op = all(other.op is first.op for other in possible if other.rule)
    verdict = Verdict(op=first.op) if same_op else Verdict()
    if all(other.unit is first.unit for other in possible):
        verdict = replace(verdict, unit=first.unit, rule=first.rule, evidence=first.evidence, source=first.source)
    return replace(verdict, note="depends on the GPU's architecture: give it with --sm")
