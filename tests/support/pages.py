"""Reports and diffs as pages are tested with: a real one, a large one, and one in which every text is hostile."""

from __future__ import annotations

import csv
import dataclasses
import math
from functools import cache
from typing import Any, TypeVar

import tcscope
from tcscope.model import (
    Diff,
    Estimate,
    Evidence,
    Finding,
    Kernel,
    Layer,
    Layering,
    LayerKernel,
    Level,
    Measured,
    Measurement,
    Place,
    RangeLevel,
    Report,
    TensorShare,
    Totals,
    TraceInfo,
    Unit,
)
from tcscope.model.measured import Shape
from tcscope.model.sensitivity import (
    Histogram,
    LayerSensitivity,
    Metric,
    Mode,
    Propagated,
    Score,
    Sensitivity,
    TensorStats,
)
from tcscope.rulebook import RuleBook
from tests.support.places import FIXTURES, FP16, INT8, INT8_LAYERS
from tests.support.reports import H100

T = TypeVar("T")
LARGE = 5_000
# each must be shown as it is, and do nothing
HOSTILE = (
    "</script><script>window.harm = 1</script>",
    "\"><img src=x onerror='window.harm = 1'>",
    "javascript:window.harm=1//",
    "{{ 7*7 }}{% raw %}<!--<script>",
    "rtl \u202e\u2066\u200f mark \x1b[31m\x00\x07\u2028 bell",
    "🔥👩‍👩‍👧 naïve ﷽ 核",
    "void gemm<" + "std::tuple<" * 360 + "int" + ">" * 360 + ">",
    "' onclick='window.harm = 1' x='",
    "half a character \ud83d here",
)


@cache
def real_report() -> Report:
    """An INT8 engine with its layers, their formats and reformats."""
    return tcscope.analyze(INT8, level=RangeLevel(), layers=INT8_LAYERS)


@cache
def real_diff() -> Diff:
    """FP16 to INT8."""
    return tcscope.compare(FP16, INT8)


@cache
def large_report() -> Report:
    """Five thousand kernels with real names, and a layer for every tenth of them."""
    book = RuleBook.builtin()
    with (FIXTURES / "names_truth.csv").open(encoding="utf-8") as file:
        names = list(dict.fromkeys(row["name"] for row in csv.DictReader(file)))
    kernels = []
    for number in range(LARGE):
        name = names[number % len(names)] + (f" [clone .{number}]" if number >= len(names) else "")
        verdict = book.classify(name, 80)
        ns = (LARGE - number) * 1_000 + number
        kernels.append(
            Kernel(
                name, verdict.rule, verdict.unit, verdict.precision, verdict.accumulate, verdict.op, verdict.evidence,
                number % 7 + 1, ns, None, ns // 9, ns // 2, note=verdict.note,
                places=(Place(0, 1, number % 7 + 1, ns),),
            )
        )  # fmt: skip
    whole = sum(kernel.ns for kernel in kernels)
    low = sum(kernel.ns for kernel in kernels if kernel.unit is Unit.TENSOR_CORE)
    open_ = sum(kernel.ns for kernel in kernels if kernel.unit is Unit.UNKNOWN)
    return Report(
        TraceInfo("large.sqlite", devices=(H100,)),
        Totals(sum(kernel.launches for kernel in kernels), whole),
        TensorShare(low / whole, (low + open_) / whole),
        kernels=tuple(kernels),
        layers=tuple(_layer(number, kernel) for number, kernel in enumerate(kernels[::10])),
        layering=Layering("layer"),
    )


def _layer(number: int, kernel: Kernel) -> Layer:
    part = LayerKernel(kernel.name, kernel.unit, kernel.precision, kernel.op, kernel.launches, kernel.ns)
    name = f"/blocks/{number}/attention/MatMul + /blocks/{number}/Add"
    return Layer(name, "gemm", kernel.unit, kernel.precision, kernel.launches, kernel.ns, (part,), op=kernel.op)


@cache
def sensitivity() -> Sensitivity:
    """The INT8 engine's network with losses and tensors that are made up."""
    names = [f"/layer{block}/conv{at}/Conv" for block in range(12) for at in (1, 2)]
    layers = tuple(
        _layer_in_int8(name, tuple(names[at + 1 :]), (at * 7 % len(names)) ** 2 / 4e4) for at, name in enumerate(names)
    )
    whole = Score(0.08, 11.0, 0.96, 1.5, 0.93, 0.93)
    note = Finding("layers-interact", Level.NOTE, 0, "the layers interact", "tcscope sensitivity MODEL --block 3")
    return Sensitivity("resnet.onnx", "0" * 64, 17, "calib.npz", 128, Mode.ONE, layers, int8=whole, findings=(note,))


@cache
def sensitivity_of_a_block() -> Sensitivity:
    """The same in blocks, by a metric of the user's, of which one gains and one is lost."""
    second, first, *rest = sensitivity().layers
    score = dataclasses.replace(second.score, loss=-0.004, metric=0.904)
    whole = Score(0.02, 17.0, 0.99, 1.5, 0.97, 0.88)
    blocks = (
        dataclasses.replace(first, name="block 1", nodes=(first.name, *(one.name for one in rest))),
        dataclasses.replace(second, loss=-0.004, score=score, activations=(), weights=None, propagated=()),
    )
    return dataclasses.replace(
        sensitivity(), mode=Mode.BLOCK, layers=blocks, metric=Metric("eval.py:top1"), fp32=0.9, int8=whole
    )


def _layer_in_int8(name: str, later: tuple[str, ...], loss: float) -> LayerSensitivity:
    score = Score(loss, -10 * math.log10(loss) if loss else None, 1 - loss, 3 * loss, 1 - loss / 2)
    held = Histogram(tuple(at / 4 for at in range(-8, 9)), tuple(1 + (8 - abs(at)) ** 4 for at in range(-8, 8)))
    weight = TensorStats(f"{name}.weight", -2.0, 1.9, 1.9, 0.4, 1.5, 0.0, 41.2, 64, held)
    read = TensorStats(f"{name}.input", -2.0, 2.0, 1.0, 1.0, 3.2, 0.0021, 23.5, 1, held)
    arrivals = tuple(Propagated(one, loss / (2 + at)) for at, one in enumerate(later))
    return LayerSensitivity(name, "Conv", (name,), loss, score, weight, (read,), arrivals)


@cache
def hostile_sensitivity() -> Sensitivity:
    """The made up one with a hostile text in every place that holds one."""
    return dataclasses.replace(_hostile(sensitivity(), {}), schema=sensitivity().schema)


def measured(report: Report) -> Report:
    """The report as if the trace had sampled GPU metrics."""
    found = Measured(Estimate(61.2, 58.0, 64.4), Estimate(31.0, 30.0, 32.0), windows=321, identifiable=True)
    vague = dataclasses.replace(found, identifiable=False, windows=2)
    shaped = dataclasses.replace(found, shape=Shape((64, 2, 1), (128, 1, 1), 2, 0.48))
    return dataclasses.replace(
        report,
        measurement=Measurement(0.99, 120, 50_000, 2_535, tensor_active=Estimate(32.8, 30.8, 34.6)),
        kernels=tuple(dataclasses.replace(kernel, measured=shaped) for kernel in report.kernels),
        layers=tuple(dataclasses.replace(layer, measured=vague) for layer in report.layers),
    )


@cache
def hostile_report() -> Report:
    """The real report with a hostile text in every place that holds one, and a kernel that nothing is known of."""
    real = measured(real_report())
    lost = dataclasses.replace(
        real.kernels[-1], unit=Unit.UNKNOWN, rule=None, evidence=Evidence.NONE, note="why it is not known"
    )
    real = dataclasses.replace(real, kernels=(*real.kernels[:-1], lost))
    return dataclasses.replace(_hostile(real, {}), schema=real.schema)


@cache
def hostile_diff() -> Diff:
    """The real diff with a hostile text in every place that holds one."""
    return dataclasses.replace(_hostile(real_diff(), {}), schema=real_diff().schema, per="inference")


def _hostile(value: T, known: dict[str, str]) -> T:
    """The value with every text replaced, the same by the same; words of the vocabulary stay."""
    made: Any = value
    text: Any = value
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        given = {f.name: _hostile(getattr(value, f.name), known) for f in dataclasses.fields(value)}
        made = dataclasses.replace(value, **given)
    elif isinstance(value, tuple):
        made = tuple(_hostile(item, known) for item in value)
    elif type(value) is str and value:
        made = known.setdefault(text, f"{HOSTILE[len(known) % len(HOSTILE)]} {len(known)}")
    return made  # type: ignore[no-any-return]
