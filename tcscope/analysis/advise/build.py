"""Two traces and a sensitivity table to the advice: which layers to keep in FP16."""

from __future__ import annotations

import math
import shlex
from collections.abc import Sequence
from dataclasses import replace

from tcscope.analysis.advice import layer_pattern
from tcscope.analysis.advise.choose import front, mixes, ranked, recommended, search_of
from tcscope.analysis.advise.costs import Costs
from tcscope.analysis.advise.findings import APART, find, nothing_to_choose, why
from tcscope.analysis.advise.goals import limit
from tcscope.analysis.advise.join import Candidate, Joined, join
from tcscope.analysis.advise.reformats import reformat_cost, terms
from tcscope.analysis.difference.reports import difference
from tcscope.model import Diff, Report
from tcscope.model.advise import Aim, Goal, LayerChoice, MeasuredMix, Mix, MixAdvice, Search
from tcscope.model.sensitivity import Sensitivity


def advise(base: Report, new: Report, sensitivity: Sensitivity, goal: Goal, *, named: str = "") -> MixAdvice:
    """Which INT8 layers of `new` to keep in FP16, as in `base`; `named` is the file of the sensitivity.

    Raises TraceError where the traces have no layers, or none that the sensitivity knows.
    """
    return Plan(base, new, sensitivity, goal, named=named).advice()


class Plan:
    """Every mix of two traces and a sensitivity. Raises TraceError as `advise` does."""

    def __init__(self, base: Report, new: Report, sensitivity: Sensitivity, goal: Goal, *, named: str = "") -> None:
        self.sensitivity, self.goal, self.named = sensitivity, goal, named
        self.diff = difference(base, new)
        self.joined = join(sensitivity, base, new, self.diff)
        found = self.joined.candidates
        if not found:
            raise nothing_to_choose(sensitivity, self.diff, self.joined)
        counts = [
            side.inferences or 1 if self.diff.per == "inference" else 1 for side in (self.diff.base, self.diff.new)
        ]
        sides = list(zip((base, new), counts, strict=True))
        self.estimate = reformat_cost(sides)
        scale = _scale(sensitivity)
        self.costs = Costs(
            tuple(scale * candidate.loss for candidate in found),
            tuple(-candidate.change.delta_ns for candidate in found),
            tuple(terms(sides[0], sides[1], found, self.estimate)),
            scale * self.joined.lost,
        )
        self.choices = mixes(self.costs)
        self.best, self.reached = recommended(self.costs, self.choices, limit(goal, sensitivity, self.diff))

    def advice(self, kept: int | None = None, measured: MeasuredMix | None = None) -> MixAdvice:
        """The advice; `kept` is another choice than the predicted best, such as one that was `measured`."""
        kept = self.best if kept is None else kept
        made, diff = _Advice(self.sensitivity, self.diff, self.joined, self.costs), self.diff
        advice = MixAdvice(
            base=diff.base,
            new=diff.new,
            per=diff.per,
            base_ns=diff.totals.base.kernel_ns,
            new_ns=diff.totals.new.kernel_ns,
            sensitivity=self.named,
            model=self.sensitivity.model,
            metric=self.sensitivity.metric,
            goal=self.goal,
            search=search_of(self.costs),
            loss=self.costs.loss(0),
            interaction=self.sensitivity.interaction,
            choices=made.choices(kept),
            front=tuple(made.mix(each, best=each == kept) for each in front(self.costs, self.choices)),
            recommended=made.mix(kept, best=True),
            reformats=self.estimate,
            unmatched=self.joined.unmatched,
            float_already=self.joined.float_already,
            unmeasured=self.joined.unmeasured,
            measured=measured,
        )
        told = _told(advice, self.sensitivity)
        reached = self.reached if measured is None else self.reaches(measured.loss, measured.int8_loss)
        return replace(told, findings=find(told, reached=reached))

    def nodes(self, kept: int) -> tuple[str, ...]:
        """The ONNX nodes that a choice keeps in FP16."""
        return tuple(node for at in self.costs.layers(kept) for node in _nodes(self.joined.candidates[at]))

    def reaches(self, loss: float, int8_loss: float) -> bool:
        """Whether a measured loss is what was asked for; a time can't be measured here."""
        if self.goal.aim is Aim.RECOVER:
            return int8_loss <= 0 or 1 - loss / int8_loss >= self.goal.value
        return loss <= self.goal.value if self.goal.aim is Aim.MAX_LOSS else True

    def to_try(self, most: int) -> list[int]:
        """The choices to measure until one reaches the goal, fewest layers first, `most` at most.

        Where losses interact fewer layers than predicted may do, or more be needed. Of few layers all smaller mixes are
        there, of many those that come near the goal by prediction; then the predicted best, and larger and larger ones.
        """
        if self.goal.aim is Aim.MAX_SLOWER:
            return [self.best]
        size = self.best.bit_count()
        if search_of(self.costs) is Search.ALL:
            smaller = [kept for kept in self.choices if kept.bit_count() <= size and kept != self.best]
        else:
            smaller = [kept for kept in ranked(self.costs, 0) if kept.bit_count() < size and self._near(kept)]
        smaller.sort(key=lambda kept: (kept.bit_count(), self.costs.loss(kept), self.costs.ns(kept), kept))
        larger = ranked(self.costs, self.best)[1:]
        same = [kept for kept in smaller if kept.bit_count() == size]
        smaller = [kept for kept in smaller if kept.bit_count() < size]
        room = max(most - len(larger) - 1, 0)
        return [*smaller[:room], self.best, *same[: max(room - len(smaller), 0)], *larger][:most]

    def to_spare(self, kept: int) -> list[int]:
        """The layers of a choice that are no faster in FP16, a bit each, the one that loses least first."""
        if self.goal.aim is Aim.MAX_SLOWER:
            return []
        costs = self.costs
        bits = [1 << at for at in costs.layers(kept)]
        able = [bit for bit in bits if costs.ns(kept & ~bit) <= costs.ns(kept)]
        return sorted(able, key=lambda bit: costs.loss(kept & ~bit))

    def _near(self, kept: int) -> bool:
        if self.goal.aim is Aim.MAX_LOSS:
            return self.costs.loss(kept) <= self.goal.value * (1 + APART)
        return self.costs.recovered(kept) >= self.goal.value - APART


def _told(advice: MixAdvice, sensitivity: Sensitivity) -> MixAdvice:
    """The advice with the nodes to keep, and trtexec's arguments that keep them."""
    nodes = tuple(node for choice in advice.kept for node in choice.nodes)
    others = [node for layer in sensitivity.layers for node in layer.nodes if node not in nodes]
    patterns = {node: layer_pattern(node, others) for node in nodes}
    spec = ",".join(f"{pattern}:fp16" for pattern in dict.fromkeys(patterns.values()) if pattern)
    arguments = f"--int8 --fp16 --precisionConstraints=obey --layerPrecisions={shlex.quote(spec)}" if spec else ""
    unnamed = tuple(node for node, pattern in patterns.items() if not pattern)
    return replace(advice, nodes=nodes, arguments=arguments, unnamed=unnamed)


def decibels(loss: float) -> float | None:
    """The SQNR of a loss that is noise over signal; None without noise."""
    return -10 * math.log10(loss) if loss > 0 else None


def _scale(sensitivity: Sensitivity) -> float:
    """What the losses of single layers are multiplied by, so that all of them lose all together do."""
    single = sum(max(layer.loss, 0.0) for layer in sensitivity.layers)
    if sensitivity.int8 is None or sensitivity.int8.loss <= 0 or single <= 0:
        return 1.0
    return sensitivity.int8.loss / single


class _Advice:
    """What a choice of bits stands for."""

    def __init__(self, sensitivity: Sensitivity, diff: Diff, joined: Joined, costs: Costs) -> None:
        self.is_sqnr = sensitivity.metric.name == "sqnr"
        self.new_ns = diff.totals.new.kernel_ns
        self.found = joined.candidates
        self.costs = costs

    def mix(self, kept: int, *, best: bool) -> Mix:
        """The mix that a choice is."""
        costs = self.costs
        slower = sum(costs.slower_ns[at] for at in costs.layers(kept))
        ns, low, high = (self.new_ns + slower + part for part in costs.reformats(kept))
        loss = costs.loss(kept)
        return Mix(
            keep=tuple(self.found[at].name for at in self._costliest(kept)),
            ns=round(ns),
            low_ns=round(low),
            high_ns=round(high),
            delta_ns=round(ns) - self.new_ns,
            reformat_ns=round(costs.reformats(kept)[0]),
            loss=loss,
            recovered=costs.recovered(kept),
            sqnr_db=decibels(loss) if self.is_sqnr else None,
            recommended=best,
        )

    def choices(self, kept: int) -> tuple[LayerChoice, ...]:
        """Every candidate, the costliest first, and why it is kept or not."""
        whole = sum(self.costs.losses) + self.costs.stays
        return tuple(self._choice(at, kept, whole) for at in self._costliest(self.costs.everything))

    def _choice(self, at: int, kept: int, whole: float) -> LayerChoice:
        candidate, costs = self.found[at], self.costs
        chosen = bool(kept >> at & 1)
        made = LayerChoice(
            name=candidate.name,
            layers=tuple(layer.name for layer in candidate.layers),
            nodes=_nodes(candidate),
            base=candidate.base,
            new=candidate.new,
            fp16_ns=candidate.change.base.ns if candidate.change.base else 0,
            int8_ns=candidate.change.new.ns if candidate.change.new else 0,
            reformat_ns=round(costs.reformats(1 << at)[0]),
            loss=costs.losses[at],
            share=costs.losses[at] / whole if whole else 0.0,
            keep=chosen,
        )
        return replace(made, why=why(made, candidate.change, round(costs.ns(kept) - costs.ns(kept & ~(1 << at)))))

    def _costliest(self, kept: int) -> Sequence[int]:
        return sorted(self.costs.layers(kept), key=lambda at: (-self.costs.losses[at], at))


def _nodes(candidate: Candidate) -> tuple[str, ...]:
    return tuple(dict.fromkeys(node for layer in candidate.layers for node in layer.nodes or (layer.name,)))
