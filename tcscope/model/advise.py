"""Which layers to keep in FP16: one dataclass tree, field for field its JSON (`tcscope.advice/1`). Times in ns."""

from __future__ import annotations

from dataclasses import dataclass, field

from tcscope.model.codec import OMITTED
from tcscope.model.diff import Subject
from tcscope.model.document import Document
from tcscope.model.report import Finding
from tcscope.model.sensitivity import Metric
from tcscope.model.words import Word

ADVICE_SCHEMA = "tcscope.advice/1"


class Aim(Word):
    """What the recommended mix is the best at.

    `recover`: the fewest layers that bring back this share of what INT8 loses; `max-loss`: the fastest mix that loses
    no more; `max-slower`: the mix that loses least, and takes at most this share more time than NEW.
    """

    RECOVER = "recover"
    MAX_LOSS = "max-loss"
    MAX_SLOWER = "max-slower"


class Search(Word):
    """How the mixes were searched: all subsets, or minimum cuts and the costliest layers first."""

    ALL = "all-subsets"
    CUTS = "cuts"


@dataclass(frozen=True, slots=True)
class Goal:
    """What is asked for; `value` is a share (`recover`, `max-slower`) or a loss by the metric (`max-loss`)."""

    aim: Aim
    value: float
    text: str = ""


@dataclass(frozen=True, slots=True)
class LayerChoice:
    """One INT8 layer of the new engine that could be kept in FP16.

    `name` is the sensitivity's; several `layers` of it that TensorRT fused into one are kept as one. `base` and `new`
    are the layers of both traces, `fp16_ns` and `int8_ns` their times. `reformat_ns` is what reformats take more (or,
    below 0, less) if it alone is kept. `loss` is what it costs in INT8, `share` its part of all layers' losses.
    """

    name: str
    layers: tuple[str, ...]
    nodes: tuple[str, ...]
    base: tuple[str, ...]
    new: tuple[str, ...]
    fp16_ns: int
    int8_ns: int
    reformat_ns: int
    loss: float
    share: float
    keep: bool = False
    why: str = ""


@dataclass(frozen=True, slots=True)
class Mix:
    """One choice of layers: `keep` in FP16, all others in INT8.

    `ns` is the predicted kernel time, `delta_ns` against NEW, and `reformat_ns` its part in reformats. `low_ns` and
    `high_ns` hold the spread of the measured reformats that the estimated ones are taken from. `recovered` is the share
    of NEW's loss that is won back; `sqnr_db` is None where nothing is lost, or the loss is another metric's.
    """

    keep: tuple[str, ...]
    ns: int
    low_ns: int
    high_ns: int
    delta_ns: int
    reformat_ns: int
    loss: float
    recovered: float
    sqnr_db: float | None = None
    recommended: bool = False


@dataclass(frozen=True, slots=True)
class ReformatCost:
    """How reformats that nobody has measured are estimated.

    From `measured` ones of both traces: `fixed_ns + ns_per_byte x (bytes read + bytes written)`; `low` and `high` are
    the 10th and 90th percentile of measured over estimated. Where fewer than three sizes are known: their median as
    `fixed_ns`, and from nothing (`low` 0) to the largest.
    """

    measured: int = 0
    fixed_ns: float = 0.0
    ns_per_byte: float = 0.0
    low: float = 1.0
    high: float = 1.0


@dataclass(frozen=True, slots=True)
class Stray:
    """A layer of the sensitivity that the traces don't have, and their nearest names."""

    name: str
    nearest: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class MeasuredMix:
    """The recommended mix, quantized and run: its loss as predicted and as measured.

    `int8_loss` is that of all layers in INT8 in the same run, `recovered` the share that was won back. `interact`: both
    differ by more than a quarter of the measured one, so that losses of single layers don't add up. `predicted` is what
    was predicted for `keep`; `tried` the number of mixes that were run until one reached the goal.
    """

    keep: tuple[str, ...]
    predicted_loss: float
    loss: float
    int8_loss: float
    recovered: float
    interact: bool
    tried: int = 1
    samples: int = 0
    sqnr_db: float | None = None
    metric: float | None = None
    fp32: float | None = None


@dataclass(frozen=True, slots=True)
class MixAdvice(Document):
    """Which INT8 layers to keep in FP16, for what, and how TensorRT is told so.

    `loss` is that of NEW as predicted: its INT8 layers' losses, scaled so that all of them together lose what was
    measured with every layer in INT8. `front` are the mixes that no other beats in both time and loss, fastest first;
    the recommended one is among them or, where the fewest layers are not the fastest, beside them. `float_already` are
    layers that NEW doesn't run in INT8, `unmeasured` INT8 layers of NEW without a loss. `arguments` are trtexec's.
    """

    base: Subject
    new: Subject
    per: str
    base_ns: int
    new_ns: int
    sensitivity: str
    model: str
    metric: Metric
    goal: Goal
    search: Search
    loss: float
    interaction: float | None = None
    choices: tuple[LayerChoice, ...] = ()
    front: tuple[Mix, ...] = ()
    recommended: Mix | None = None
    reformats: ReformatCost = ReformatCost()
    unmatched: tuple[Stray, ...] = ()
    float_already: tuple[str, ...] = ()
    unmeasured: tuple[str, ...] = ()
    nodes: tuple[str, ...] = ()
    arguments: str = ""
    unnamed: tuple[str, ...] = ()
    measured: MeasuredMix | None = field(default=None, metadata=OMITTED)
    findings: tuple[Finding, ...] = ()
    schema: str = ADVICE_SCHEMA

    @property
    def kept(self) -> tuple[LayerChoice, ...]:
        """The layers to keep in FP16, the costliest first."""
        return tuple(sorted((c for c in self.choices if c.keep), key=lambda c: -c.loss))
