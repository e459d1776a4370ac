"""What is to be said of an advice: why a layer is kept, what doesn't fit, what isn't known."""

from __future__ import annotations

from collections.abc import Iterator

from tcscope.analysis.advise.join import Joined
from tcscope.errors import TraceError
from tcscope.model import Cause, Change, Diff, Finding, Level
from tcscope.model.advise import Aim, LayerChoice, MixAdvice
from tcscope.model.sensitivity import Sensitivity
from tcscope.wording import count, duration, percent

APART = 0.25  # a predicted and a measured loss that differ by more: the losses of single layers don't add up
_SHOWN = 3


def why(choice: LayerChoice, change: Change, net_ns: int) -> str:
    """Why a layer is kept, or not; `net_ns` is what keeping it costs beside the others that are kept."""
    part = f"{percent(choice.share)} % of the loss"
    left = change.cause is Cause.LEFT_TENSOR_CORES
    off = ", left the Tensor Cores" if left else ""
    if choice.keep:
        if net_ns <= 0:
            return f"{part}, and faster in FP16{off}"
        return f"{part} for {duration(net_ns)}{off}"
    alone = choice.fp16_ns - choice.int8_ns + choice.reformat_ns
    if alone <= 0:
        return f"{part}; kept alone it would be {duration(-alone)} faster{off}"
    return f"{part}; kept alone {duration(alone)} slower{off}"


def interacts(predicted: float, measured: float) -> bool:
    """Whether a predicted loss is more than a quarter of the measured one off it."""
    return abs(predicted - measured) > APART * abs(measured)


def nothing_to_choose(sensitivity: Sensitivity, diff: Diff, joined: Joined) -> TraceError:
    """Why there is no layer to choose from."""
    if diff.by != "layer":
        return TraceError(
            f"{diff.base.trace.file} and {diff.new.trace.file} don't both have layers",
            "capture with `nsys profile -t cuda,nvtx`, or give trtexec's NAME.layers.json beside its profile",
        )
    if joined.float_already:
        return TraceError(
            f"{diff.new.trace.file} runs none of the sensitivity's layers in INT8, as {joined.float_already[0]}",
            "give the INT8 trace second: tcscope advise fp16.sqlite int8.sqlite --sensitivity s.json",
        )
    stray = [s for s in joined.unmatched if s.nearest] or list(joined.unmatched)
    shown = "; ".join(f"'{s.name}'" + (f" is nearest to '{s.nearest[0]}'" if s.nearest else "") for s in stray[:_SHOWN])
    what = f"none of the {count(len(sensitivity.layers), 'layer')} of {sensitivity.model} is in the traces: {shown}"
    return TraceError(what, "make the sensitivity from the ONNX file that the engines were built from")


def find(advice: MixAdvice, *, reached: bool) -> tuple[Finding, ...]:
    """What is to be said, most serious first."""
    return tuple(sorted(_all(advice, reached), key=lambda f: list(Level).index(f.level)))


def _all(advice: MixAdvice, reached: bool) -> Iterator[Finding]:
    if not reached:
        what = {
            Aim.MAX_LOSS: "stays below that loss",
            Aim.RECOVER: "wins back that much",
            Aim.MAX_SLOWER: "is that fast",
        }
        said = f"no mix {what[advice.goal.aim]}: the one that loses least is shown"
        yield Finding("goal-not-reached", Level.WARNING, 0, said, "")
    if advice.unmatched:
        names = "; ".join(f"{s.name} (nearest: {', '.join(s.nearest) or 'nothing'})" for s in advice.unmatched[:_SHOWN])
        more = f"; {len(advice.unmatched) - _SHOWN} more" if len(advice.unmatched) > _SHOWN else ""
        said = f"{count(len(advice.unmatched), 'layer')} of the sensitivity not found in both traces: {names}{more}"
        yield Finding("layers-not-found", Level.WARNING, 0, said, "their loss counts, and they stay in INT8")
    if advice.unmeasured:
        number = count(len(advice.unmeasured), "INT8 layer")
        said = f"{number} of NEW without a loss in the table, not offered: {advice.unmeasured[0]}"
        yield Finding("layers-without-loss", Level.NOTE, 0, said, "")
    if advice.float_already:
        said = f"{count(len(advice.float_already), 'layer')} not in INT8 in NEW already: {advice.float_already[0]}"
        yield Finding("not-int8", Level.NOTE, 0, said + (" and more" if len(advice.float_already) > 1 else ""), "")
    if not advice.reformats.measured:
        said = "neither trace has a reformat to learn from: those that a mix adds are counted as 0"
        yield Finding("reformats-not-known", Level.NOTE, 0, said, "")
    elif not advice.reformats.ns_per_byte and not advice.reformats.low:
        said = "few reformats of known size: each that a mix adds is counted as the median of those measured"
        hint = "tcscope analyze TRACE --layers layers.json -o report.json  # and advise on the reports"
        yield Finding("reformat-sizes-not-known", Level.NOTE, 0, said, hint)
    found = advice.measured
    if found is not None and found.interact:
        said = f"the layers interact: predicted was a loss of {found.predicted_loss:.4g}, measured is {found.loss:.4g}"
        yield Finding("layers-interact", Level.WARNING, 0, said, "trust the measured one")
    elif found is None and advice.interaction is not None and abs(advice.interaction - 1) > APART:
        said = f"the layers interact: all in INT8 lose {advice.interaction:.2f} times what single ones add up to"
        yield Finding("layers-interact", Level.NOTE, 0, said, "measure the mix: --model model.onnx --data calib.npz")
