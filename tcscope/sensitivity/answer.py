"""The answer of a measurement: scores, tensors, what reaches later layers, and what the reader should know."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tcscope.model.report import Finding
from tcscope.model.sensitivity import LayerSensitivity, Mode, Propagated, Score, Sensitivity, TensorStats
from tcscope.model.words import Level
from tcscope.sensitivity.bench import Bench, stacked
from tcscope.sensitivity.calibrate import PERCENTILE
from tcscope.sensitivity.journal import Journal, Measured
from tcscope.sensitivity.measure import ALL, FP32, Findings, Say, journal_for, measure_units
from tcscope.sensitivity.metric import Measure
from tcscope.sensitivity.segments import weight_of
from tcscope.sensitivity.stats import of_weight
from tcscope.sensitivity.units import Unit, units_of
from tcscope.wording import count

_ADDS_UP = 1.25  # single losses and that of the whole within this factor: mixes can be predicted from single layers


def sensitivity_of(
    bench: Bench,
    mode: Mode = Mode.ONE,
    measure: Measure | None = None,
    *,
    block: str | None = None,
    seed: int = 0,
    output: Path | None = None,
    say: Say = lambda what: None,
) -> Sensitivity:
    """Measure each layer (or block) of a bench's network; beside `output` a journal is kept while it runs."""
    measure = measure or Measure()
    units = units_of(bench.layers, block)
    keep = measure.function is not None
    journal = journal_for(bench, units, mode, measure, output)
    try:
        found = measure_units(bench, units, mode, journal, keep, say)
        fp32, scores = _scores(bench, units, found, journal, measure)
    except BaseException:
        journal.close(done=False)
        raise
    journal.close(done=True)
    whole = scores.pop(ALL)
    layers = tuple(_layer(bench, unit, found, scores[unit.name], whole, mode) for unit in units)
    single = sum(layer.loss for layer in layers)
    settings = bench.settings
    interaction = whole.loss / single if mode is not Mode.ALL_BUT_ONE and single > 0 and whole.loss > 0 else None
    return Sensitivity(
        bench.network.path.name,
        bench.network.digest,
        bench.network.opset,
        bench.samples.said,
        bench.samples.count,
        Mode.BLOCK if block is not None and mode is Mode.ONE else mode,
        layers,
        measure.described,
        settings.calibration,
        seed=seed,
        fp32=fp32,
        int8=whole,
        interaction=interaction,
        percentile=settings.percentile if settings.percentile != PERCENTILE else None,
        findings=tuple(_notes(bench, units, found, interaction)),
    )


def _scores(
    bench: Bench, units: Sequence[Unit], found: Findings, journal: Journal, measure: Measure
) -> tuple[float | None, dict[str, Score]]:
    """What the metric says of FP32, and the score of each unit and of the whole."""
    every: dict[str, Measured] = {ALL: found.whole, **found.units}
    if measure.function is None:
        best = {"cosine": 1.0, "top1": 1.0, "max-error": 0.0}.get(measure.name)
        return best, {name: measure.score(one.sums) for name, one in every.items()}

    def outputs(name: str) -> dict[str, object]:
        names = bench.network.outputs
        return stacked([journal.outputs(name, at, names) for at in range(bench.sizes)])  # type: ignore[return-value]

    base, inputs = outputs(FP32), bench.inputs()
    fp32 = measure.called(base, base, inputs)  # type: ignore[arg-type]
    told = {name: measure.called(base, outputs(name), inputs) for name in every}  # type: ignore[arg-type]
    return fp32, {name: measure.score(one.sums, fp32, told[name]) for name, one in every.items()}


def _layer(bench: Bench, unit: Unit, found: Findings, score: Score, whole: Score, mode: Mode) -> LayerSensitivity:
    loss = whole.loss - score.loss if mode is Mode.ALL_BUT_ONE else score.loss
    own = [layer for layer in bench.layers if layer.name in unit.layers]
    weights: TensorStats | None = None
    if len(own) == 1 and own[0].weight is not None:
        weights = of_weight(own[0].weight, weight_of(bench.network, own[0]), own[0].axis)
    names = dict.fromkeys(name for layer in own for name in layer.activations) if len(own) == 1 else {}
    activations = tuple(found.activations[name].stats() for name in names)
    reached = found.units[unit.name].reached
    later = tuple(
        Propagated(layer.name, error)
        for layer in bench.layers
        if (error := _error(reached, layer.activations, found.powers)) is not None
    )
    return LayerSensitivity(unit.name, unit.op, unit.layers, loss, score, weights, activations, later)


def _error(reached: dict[str, float], names: Sequence[str], powers: dict[str, float]) -> float | None:
    """The largest noise over signal among a layer's activations; None where nothing reaches it."""
    errors = [reached[name] / powers[name] for name in names if name in reached and powers[name]]
    return max(errors, default=None)


def _notes(bench: Bench, units: Sequence[Unit], found: Findings, interaction: float | None) -> list[Finding]:
    made = []
    if bench.samples.said.startswith("random"):
        message = "the data are random numbers: how layers rank on real data may differ"
        made.append(Finding("random-data", Level.NOTE, 0, message, "tcscope sensitivity MODEL --data calib.npz"))
    if bench.left:
        names = ", ".join(bench.left[:3]) + (", ..." if len(bench.left) > 3 else "")
        message = f"{count(len(bench.left), 'layer')} stay as they are, since their weights are computed: {names}"
        made.append(Finding("not-quantizable", Level.NOTE, 0, message, layers=bench.left))
    infinite = [name for name, seen in bench.seen.items() if seen.infinite]
    if infinite:
        message = (
            f"{count(len(infinite), 'activation')} hold values in FP32 that are not finite, which INT8's range leaves "
            f"out: {', '.join(infinite[:3])}"
        )
        made.append(Finding("activation-not-finite", Level.WARNING, 0, message))
    broken = [unit.name for unit in units if found.units[unit.name].sums.broken]
    if broken:
        message = f"the outputs are not finite with {count(len(broken), 'layer')} in INT8, such as {broken[0]}"
        made.append(Finding("not-finite", Level.WARNING, 0, message, layers=tuple(broken)))
    if interaction is not None and not 1 / _ADDS_UP <= interaction <= _ADDS_UP:
        message = f"the layers interact: all in INT8 lose {interaction:.2f} times the sum of what single ones lose"
        hint = "tcscope sensitivity MODEL --mode all-but-one"
        made.append(Finding("layers-interact", Level.NOTE, 0, message, hint))
    return made
