"""A mix really quantized and run: predicted beside measured loss, and its Q/DQ ONNX file."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import onnx

from tcscope.analysis.advise.build import Plan
from tcscope.analysis.advise.findings import interacts
from tcscope.errors import UsageError, did_you_mean
from tcscope.model.advise import MeasuredMix, MixAdvice
from tcscope.model.sensitivity import Score, Sensitivity
from tcscope.sensitivity.bench import Bench, stacked
from tcscope.sensitivity.failure import refused
from tcscope.sensitivity.machine import Values
from tcscope.sensitivity.metric import Measure
from tcscope.sensitivity.mix_model import quantized
from tcscope.sensitivity.session import session
from tcscope.sensitivity.sums import Sums, compared

MOST = (
    96  # all smaller mixes of up to 12 layers, if three of them suffice; mixes that are run until one reaches the goal
)
Say = Callable[[str], None]


def measured_advice(
    plan: Plan, bench: Bench, measure: Measure, say: Say = lambda what: None
) -> tuple[MixAdvice, onnx.ModelProto]:
    """The advice with its mix measured, and the mix as a Q/DQ network.

    The mixes that prediction finds promising are run, fewest layers first, until one reaches the goal; without one the
    mix that lost least is taken. From one that does, layers are left out again as long as it still does: where they
    interact some were not needed. Raises UsageError where the network is not that of the sensitivity.
    """
    matches(plan.sensitivity, bench)
    int8 = frozenset(bench.names()) - _float_already(plan)
    whole = bench.score(int8, measure)
    losses: dict[int, float] = {}  # of the mixes that were run

    def reaches(kept: int) -> bool:
        losses[kept] = bench.score(int8 - set(plan.nodes(kept)), measure).loss
        say(f"mix {len(losses)}: {len(plan.nodes(kept))} layers in FP16, loss {losses[kept]:.4g}")
        return plan.reaches(losses[kept], whole.loss)

    found = next((kept for kept in plan.to_try(MOST) if reaches(kept)), None)
    if not losses:
        raise UsageError("there is no mix to measure", "tcscope advise BASE NEW --sensitivity s.json")
    kept = min(losses, key=losses.__getitem__) if found is None else _thinned(plan, found, losses, reaches)
    model = quantized(bench, (set(bench.names()) - int8) | set(plan.nodes(kept)))
    score = run(bench, model, measure)
    predicted = plan.costs.loss(kept)
    mix = MeasuredMix(
        keep=plan.nodes(kept),
        predicted_loss=predicted,
        loss=score.loss,
        int8_loss=whole.loss,
        recovered=1 - score.loss / whole.loss if whole.loss else 0.0,
        interact=interacts(predicted, score.loss),
        tried=len(losses),
        samples=bench.samples.count,
        sqnr_db=score.sqnr_db,
        metric=score.metric,
        fp32=_fp32(bench, measure),
    )
    return plan.advice(kept, mix), model


def _thinned(plan: Plan, kept: int, losses: Mapping[int, float], reaches: Callable[[int], bool]) -> int:
    """A mix that reaches the goal without the layers that it doesn't need for it, the least costly left out first."""
    before = None
    while kept != before:
        before = kept
        for less in plan.to_spare(kept):
            fewer = kept & ~less
            if fewer not in losses and len(losses) < MOST and reaches(fewer):
                kept = fewer
    return kept


def run(bench: Bench, model: onnx.ModelProto, measure: Measure) -> Score:
    """The score of a Q/DQ network as ONNX Runtime runs the file, over all samples. Raises UsageError."""
    names = bench.network.outputs
    try:
        made = session(model)
    except Exception as error:
        raise refused(bench.network.path, error) from error
    sums, base, new = Sums(), [], []
    for values, feeds in zip(bench.references(), bench.samples.batches(bench.batch), strict=True):
        outputs: Values = dict(zip(names, made.run(names, feeds), strict=True))
        sums.add(compared(values, outputs, names))
        if measure.function is not None:
            base.append({name: values[name] for name in names})
            new.append(outputs)
    if measure.function is None:
        return measure.score(sums)
    joined = stacked(base)
    fp32 = measure.called(joined, joined, bench.inputs())
    return measure.score(sums, fp32, measure.called(joined, stacked(new), bench.inputs()))


def matches(sensitivity: Sensitivity, bench: Bench) -> None:
    """Hold the network against the sensitivity's: it must have its layers. Raises UsageError."""
    known = set(bench.names())
    for node in _nodes(sensitivity):
        if node not in known:
            what = f"{bench.network.path} has no layer '{node}' of the sensitivity{did_you_mean(node, known)}"
            raise UsageError(what, f"give the network that the sensitivity was made from: {sensitivity.model}")


def save(model: onnx.ModelProto, path: Path) -> None:
    """Write a network. Raises UsageError."""
    try:
        onnx.save(model, str(path))
    except (OSError, ValueError) as error:
        raise UsageError(f"can't write {path}: {error}", "give -o a folder that can be written") from error


def _nodes(sensitivity: Sensitivity) -> Iterator[str]:
    for layer in sensitivity.layers:
        yield from layer.nodes or (layer.name,)


def _float_already(plan: Plan) -> frozenset[str]:
    """The nodes of layers that NEW doesn't run in INT8."""
    names = set(plan.joined.float_already)
    return frozenset(node for layer in plan.sensitivity.layers if layer.name in names for node in layer.nodes)


def _fp32(bench: Bench, measure: Measure) -> float | None:
    return bench.score((), measure).metric if measure.function is not None else None
