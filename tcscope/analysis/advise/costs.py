"""What a choice of layers takes and loses: times of layers, reformats between them, noise that adds up."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum


class When(Enum):
    """When a reformat is there. Layers are bits of an int, `kept` the layers in FP16."""

    QUANTIZE = "quantize"  # what `source` computes is not INT8, and a reader is
    DEQUANTIZE = "dequantize"  # what `source` computes is INT8, and a reader is not
    KEPT = "kept"  # all of `readers` are kept: a reformat of the FP16 engine


@dataclass(frozen=True, slots=True)
class Term:
    """One reformat: its time, and when it is there.

    `source` is the bit of the layer that computes the tensor, 0 for one that is no candidate; its type is then fixed:
    float for `quantize`, INT8 for `dequantize`. `fixed`: another reader, that is no candidate, needs it too.
    """

    when: When
    ns: float
    readers: int
    source: int = 0
    fixed: bool = False
    low: float = 0.0
    high: float = 0.0

    def paid(self, kept: int) -> bool:
        """Whether a choice has this reformat."""
        if self.when is When.KEPT:
            return kept & self.readers == self.readers
        if self.when is When.QUANTIZE:
            return (not self.source or bool(kept & self.source)) and (self.fixed or bool(self.readers & ~kept))
        return not kept & self.source and (self.fixed or bool(self.readers & kept))


def measured(when: When, ns: float, readers: int, source: int = 0, *, fixed: bool = False) -> Term:
    """A reformat whose time is known."""
    return Term(when, ns, readers, source, fixed, ns, ns)


@dataclass(frozen=True, slots=True)
class Costs:
    """The candidates: what each loses in INT8, and its FP16 time less its INT8 time; the reformats around them.

    Losses add up: of `sqnr` they are powers of noise, and the powers of independent noises do.
    """

    losses: tuple[float, ...]
    slower_ns: tuple[int, ...]
    terms: tuple[Term, ...] = ()
    stays: float = 0.0  # the loss of INT8 layers that are no candidates
    _known: dict[int, float] = field(default_factory=dict, compare=False, repr=False)

    @property
    def everything(self) -> int:
        """The choice that keeps all layers."""
        return (1 << len(self.losses)) - 1

    def layers(self, kept: int) -> list[int]:
        """The numbers of the layers of a choice."""
        return [at for at in range(len(self.losses)) if kept >> at & 1]

    def loss(self, kept: int) -> float:
        """What a choice loses: the losses of the layers that stay in INT8."""
        return self.stays + sum(loss for at, loss in enumerate(self.losses) if not kept >> at & 1)

    def recovered(self, kept: int) -> float:
        """The share of all loss that a choice wins back."""
        whole = self.loss(0)
        return 1 - self.loss(kept) / whole if whole else 0.0

    def ns(self, kept: int) -> float:
        """What a choice takes more than all layers in INT8, below 0 if less."""
        if kept not in self._known:
            self._known[kept] = sum(self.slower_ns[at] for at in self.layers(kept)) + self.reformats(kept)[0]
        return self._known[kept]

    def reformats(self, kept: int) -> tuple[float, float, float]:
        """What reformats take more than with all layers in INT8; at least and at most."""
        ns = low = high = 0.0
        for term in self.terms:
            sign = term.paid(kept) - term.paid(0)
            if sign:
                ns += sign * term.ns
                # what goes away was measured, or never counted
                low += sign * (term.low if sign > 0 else term.high)
                high += sign * (term.high if sign > 0 else term.low)
        return ns, low, high


def bits(numbers: Iterable[int]) -> int:
    """The choice of these layers."""
    found = 0
    for number in numbers:
        found |= 1 << number
    return found
