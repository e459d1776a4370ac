"""What INT8 costs in accuracy, layer by layer: one dataclass tree, field for field its JSON (`tcscope.sensitivity/1`).

Layers bear the names of their ONNX nodes, which TensorRT gives its layers; in a fused layer they are parts of its name.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from tcscope.model.codec import OMITTED
from tcscope.model.document import Document
from tcscope.model.report import Finding
from tcscope.model.words import Word

SENSITIVITY_SCHEMA = "tcscope.sensitivity/1"


class Mode(Word):
    """What was compared with FP32.

    `one`: this layer alone is INT8; `all-but-one`: all are but this one; `block`: the layers of this block are;
    `compared`: two recorded runs, tensor by tensor (each error includes those of the layers before).
    """

    ONE = "one"
    ALL_BUT_ONE = "all-but-one"
    BLOCK = "block"
    COMPARED = "compared"


class Calibration(Word):
    """How the range of an activation is chosen. `none`: not known, as of recorded runs."""

    ENTROPY = "entropy"
    MINMAX = "min-max"
    PERCENTILE = "percentile"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Metric:
    """The number that layers are ranked by.

    `name` is `sqnr`, `cosine`, `max-error`, `top1` or `file.py:function`. `loss` is what is lost by it, 0 for FP32, the
    more the worse: of `sqnr` the noise over the signal (a ratio of powers: it adds up over layers whose errors are
    independent, and -10 log10 of it is the SQNR), of `max-error` the error itself, of any other FP32's value less this.
    """

    name: str = "sqnr"
    higher_is_better: bool = True


@dataclass(frozen=True, slots=True)
class Score:
    """The model's outputs against those in FP32, over all samples; several outputs weigh the same.

    `sqnr_db` is None where nothing differs. `top1_agreement` is the share of equal largest classes, None where no
    output has classes. `metric` is the value of the metric, in its own unit (dB for `sqnr`), `loss` what it lost.
    """

    loss: float
    sqnr_db: float | None = None
    cosine: float | None = None
    max_error: float | None = None
    top1_agreement: float | None = None
    metric: float | None = None


@dataclass(frozen=True, slots=True)
class Histogram:
    """How many values lie between `edges[i]` and `edges[i + 1]`; there is one edge more than counts."""

    edges: tuple[float, ...] = ()
    counts: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class TensorStats:
    """The values of a weight or an activation, and what INT8 makes of them.

    `clip` is the largest magnitude that INT8 holds, scale x 127; of weights, which have one per output channel, the
    largest, and `clip_low` the smallest. `saturated` is the share of values beyond it. `outlier_ratio` is the largest
    magnitude over the 99.9th percentile of magnitudes. `sqnr_db` is that of the quantized tensor alone.
    """

    name: str
    minimum: float
    maximum: float
    clip: float | None = None
    clip_low: float | None = None
    outlier_ratio: float | None = None
    saturated: float | None = None
    sqnr_db: float | None = None
    channels: int | None = None
    histogram: Histogram = Histogram()


@dataclass(frozen=True, slots=True)
class Propagated:
    """What reaches the input of a later layer: the noise over the signal there (a ratio of powers)."""

    layer: str
    error: float


@dataclass(frozen=True, slots=True)
class LayerSensitivity:
    """What INT8 in one layer (or block) costs. `nodes` are the ONNX nodes that are quantized in it.

    `score` is that of the network as it was run; `loss` is what the layer in INT8 costs: in `one` and `block` that of
    the score, in `all-but-one` the loss of the whole network in INT8 less that of the score, in `compared` the noise
    at its output less that at what it reads; the last two may be negative.
    """

    name: str
    op: str
    nodes: tuple[str, ...]
    loss: float
    score: Score
    weights: TensorStats | None = None
    activations: tuple[TensorStats, ...] = ()
    propagated: tuple[Propagated, ...] = ()


@dataclass(frozen=True, slots=True)
class Sensitivity(Document):
    """Every quantizable layer of a network, in the network's order.

    `model` is the file, `digest` the SHA-256 of its bytes; `data` says what was fed, `samples` how many. `int8` is the
    score with every layer in INT8. `interaction` is that loss over the sum of the single ones: near 1 the losses of
    single layers add up.
    """

    model: str
    digest: str
    opset: int
    data: str
    samples: int
    mode: Mode
    layers: tuple[LayerSensitivity, ...] = ()
    metric: Metric = Metric()
    calibration: Calibration = Calibration.ENTROPY
    scheme: str = "int8, symmetric: weights per output channel, activations per tensor, bias fp32"
    seed: int = 0
    fp32: float | None = None
    int8: Score | None = None
    interaction: float | None = None
    percentile: float | None = field(default=None, metadata=OMITTED)
    findings: tuple[Finding, ...] = ()
    schema: str = SENSITIVITY_SCHEMA

    def ranked(self) -> tuple[LayerSensitivity, ...]:
        """The layers, the costliest first; equal ones in the network's order."""
        return tuple(sorted(self.layers, key=lambda layer: -layer.loss))
