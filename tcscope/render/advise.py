"""How `tcscope advise` answers: a page for people."""

from __future__ import annotations

import math
import shlex
import textwrap
from collections.abc import Iterator

from tcscope.model import Level
from tcscope.model.advise import Aim, LayerChoice, Mix, MixAdvice, ReformatCost, Search
from tcscope.render import text
from tcscope.wording import count, duration, percent, plain

_WIDTH = 80
_ROWS = 8  # mixes shown, and layers beside the kept ones
_INDENT = " " * 8
OF_MIXED = "TensorRT 8 to 10; kept layers run in FP16 or FP32, as is faster"
OF_TYPED = "TensorRT 11 runs them in the file's own type, FP32 until it is converted"
_LAYER_HEAD = f"{'loss %':>7} {'fp16 us':>8} {'int8 us':>8} {'reformats':>9}  why"


def as_text(
    advice: MixAdvice, *, top: int = _ROWS, full_names: bool = False, gap: str = "…", mixed: str | None = None
) -> str:
    """The recommended mix, its layers and why, the mixes beside it, and what is to be said.

    `mixed` is the Q/DQ file of the mix, if one was written.
    """
    lines = [*_head(advice), *_kept(advice, full_names, gap), *_front(advice, top)]
    rest = [choice for choice in advice.choices if not choice.keep]
    if rest:
        lines += ["", f"Left in INT8: {count(len(rest), 'layer')}", _LAYER_HEAD]
        lines += [line for choice in rest[:top] for line in _layer(choice, full_names, gap)]
        if len(rest) > top:
            lines.append(f"{_INDENT}{len(rest) - top:,} more (--top N)")
    lines += _arguments(advice)
    if mixed is not None:
        lines += ["", f"# mixed.onnx, {OF_MIXED}", built_by_trtexec(mixed), f"# {OF_TYPED}:", converted(mixed)]
    lines += _said(advice)
    return "\n".join(line.rstrip() for line in lines) + "\n"


def built_by_trtexec(mixed: str) -> str:
    """What builds an engine of the mix's Q/DQ file up to TensorRT 10."""
    return f"trtexec {shlex.quote(f'--onnx={plain(mixed)}')} --int8 --fp16"


def converted(mixed: str) -> str:
    """What makes an FP16 file of it, for TensorRT 11."""
    return f"python3 -m modelopt.onnx.autocast --onnx_path {shlex.quote(plain(mixed))}"


def one_line(advice: MixAdvice) -> str:
    """`keep 3 layers in FP16: +0.020 ms (+1.9 %), wins back 90.2 % of what INT8 loses`."""
    mix = advice.recommended
    if mix is None or not mix.keep:
        return "keep no layer in FP16"
    found = advice.measured
    share = mix.recovered if found is None else found.recovered
    back = f"wins back {percent(max(share, 0.0))} % of what INT8 loses{'' if found is None else ' (measured)'}"
    return f"keep {count(len(mix.keep), 'layer')} in FP16: {change(advice, mix)}, {back}"


def change(advice: MixAdvice, mix: Mix) -> str:
    """`+0.020 ms (+1.9 %)` against NEW."""
    share = f"{100 * mix.delta_ns / advice.new_ns:+.1f} %" if advice.new_ns else text.NOT_APPLICABLE
    return f"{signed(mix.delta_ns)} ms ({share})"


def signed(ns: int) -> str:
    """`+0.020` ms."""
    return f"{ns / 1e6:+,.3f}"


def loss(advice: MixAdvice, value: float) -> str:
    """A loss as its metric tells it: of `sqnr` the SQNR, which is no loss but what is left of the signal."""
    if advice.metric.name != "sqnr":
        return f"{value:.4g}"
    return "no noise" if value <= 0 else f"{-10 * math.log10(value):.1f} dB"


def goal(advice: MixAdvice) -> str:
    """What was asked for."""
    asked = advice.goal
    if asked.aim is Aim.MAX_LOSS:
        least = f" (SQNR {loss(advice, asked.value)} or more)" if advice.metric.name == "sqnr" else ""
        return f"the fastest that loses at most {plain(asked.text)}{least}"
    if asked.aim is Aim.MAX_SLOWER:
        return f"the least loss in at most {plain(asked.text)} more time"
    return f"the fewest layers that win back {percent(asked.value)} % of the loss"


def searched(advice: MixAdvice) -> str:
    """How the mixes were found."""
    number = count(len(advice.choices), "layer")
    if advice.search is Search.ALL:
        return f"all {2 ** len(advice.choices):,} mixes of {number}"
    return f"minimum cuts and local search over {number}"


def estimated(cost: ReformatCost) -> str:
    """How reformats that a mix adds are estimated."""
    if not cost.measured:
        return "none measured: those that a mix adds are counted as 0"
    size = f" + {1e3 * cost.ns_per_byte:.3g} us a MB" if cost.ns_per_byte else ""
    spread = f"x {cost.low:.2f} to {cost.high:.2f} (as {cost.measured} measured ones)"
    return f"{duration(cost.fixed_ns)}{size} for one that a mix adds, {spread}"


def measured(advice: MixAdvice) -> list[tuple[str, str, str]]:
    """(what, predicted, measured) of the mix that was run."""
    found = advice.measured
    if found is None:
        return []
    name = "SQNR" if advice.metric.name == "sqnr" else "loss"
    rows = [(f"{name} of the mix", loss(advice, found.predicted_loss), loss(advice, found.loss))]
    before = 1 - found.predicted_loss / found.int8_loss if found.int8_loss else 0.0
    rows.append(("won back", f"{percent(max(before, 0.0))} %", f"{percent(max(found.recovered, 0.0))} %"))
    rows.append((f"{name} of INT8", loss(advice, advice.loss), loss(advice, found.int8_loss)))
    return rows


def _head(advice: MixAdvice) -> Iterator[str]:
    yield f"base   {plain(advice.base.trace.file)}: {duration(advice.base_ns)} {_per(advice)}"
    yield f"new    {plain(advice.new.trace.file)}: {duration(advice.new_ns)}"
    of = f"{plain(advice.sensitivity) or 'sensitivity'} ({plain(advice.metric.name)} of {plain(advice.model)})"
    yield f"loss   {of}"
    yield f"goal   {goal(advice)}"
    yield f"tried  {searched(advice)}"
    yield ""
    yield one_line(advice)
    mix = advice.recommended
    if mix is not None:
        spread = f"{text.milliseconds(mix.low_ns)} to {text.milliseconds(mix.high_ns)} ms"
        yield f"predicted: {text.milliseconds(mix.ns)} ms ({spread}), {_left(advice, mix.loss)}"
    rows = measured(advice)
    if rows:
        yield ""
        samples = f"{count(advice.measured.samples, 'sample')}" if advice.measured else ""
        yield f"{samples:<16}{'predicted':>12}{'measured':>12}"
        yield from (f"{what:<16}{before:>12}{now:>12}" for what, before, now in rows)


def _left(advice: MixAdvice, value: float) -> str:
    name = "SQNR" if advice.metric.name == "sqnr" else "loss"
    return f"{name} {loss(advice, value)} (INT8: {loss(advice, advice.loss)})"


def _per(advice: MixAdvice) -> str:
    return "an inference" if advice.per == "inference" else "in the whole trace"


def _kept(advice: MixAdvice, full_names: bool, gap: str) -> Iterator[str]:
    if advice.kept:
        yield ""
        yield "Keep in FP16"
        yield _LAYER_HEAD
        for choice in advice.kept:
            yield from _layer(choice, full_names, gap)


def _layer(choice: LayerChoice, full_names: bool, gap: str) -> Iterator[str]:
    times = (f"{choice.fp16_ns / 1e3:>8.1f}", f"{choice.int8_ns / 1e3:>8.1f}", f"{choice.reformat_ns / 1e3:>+9.1f}")
    yield f"{percent(choice.share):>7} {' '.join(times)}  {_reason(choice)}"
    name = " | ".join(choice.layers)
    yield _INDENT + (plain(name) if full_names else text.shorten(name, _WIDTH - len(_INDENT), gap=gap))


def _reason(choice: LayerChoice) -> str:
    """Why, without the share that stands before it."""
    return plain(choice.why).partition(" of the loss")[2].lstrip(",; ").removeprefix("and ")


def _front(advice: MixAdvice, top: int) -> Iterator[str]:
    rows = thinned(advice, top)
    if not rows:
        return
    yield ""
    yield "Time against accuracy (* recommended)"
    yield f"  {'layers':>6} {'ms':>9} {'against NEW':>18} {'won back':>9} {'left':>10}"
    for mix in rows:
        mark = "*" if mix.recommended else " "
        back = f"{percent(max(mix.recovered, 0.0))} %"
        numbers = f"{len(mix.keep):>6} {text.milliseconds(mix.ns):>9} {change(advice, mix):>18}"
        yield f"{mark} {numbers} {back:>9} {loss(advice, mix.loss):>10}"


def thinned(advice: MixAdvice, top: int) -> list[Mix]:
    """The fastest, the safest and some between them, the recommended one always there."""
    rows = list(advice.front)
    if len(rows) > max(top, 2):
        step = (len(rows) - 1) / (max(top, 2) - 1)
        rows = [rows[round(step * at)] for at in range(max(top, 2))]
    best = advice.recommended
    if best is not None and not any(mix.recommended for mix in rows):
        rows.append(best)
    return sorted(rows, key=lambda mix: (mix.ns, -mix.recovered))


def _arguments(advice: MixAdvice) -> Iterator[str]:
    yield ""
    yield f"reformats: {estimated(advice.reformats)}"
    if advice.arguments:
        yield ""
        yield "# for trtexec, TensorRT 8 to 10, on the network without Q/DQ nodes"
        yield advice.arguments
    for node in advice.unnamed:
        yield f"# trtexec can't name: {plain(node)}"


def _said(advice: MixAdvice) -> Iterator[str]:
    for number, finding in enumerate(advice.findings):
        if not number:
            yield ""
        level = "note" if finding.level is Level.NOTE else finding.level
        yield from textwrap.wrap(f"{level}: {plain(finding.message)}", _WIDTH, break_long_words=False)
        if finding.hint:
            yield f"  hint: {plain(finding.hint)}"
