"""What INT8 costs each layer: a page for people, CSV for scripts, Markdown for an issue."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Iterator
from math import log10

from tcscope.model.sensitivity import LayerSensitivity, Mode, Propagated, Score, Sensitivity, TensorStats
from tcscope.render.csvwriter import CsvWriter
from tcscope.render.markdown import code, escaped, row, table_head
from tcscope.render.text import shorten
from tcscope.wording import count, percent, plain, unsteered

COLUMNS = (
    *("name", "op", "nodes", "loss", "sqnr_db", "cosine", "max_error", "top1_agreement", "metric"),
    *("weight_clip", "weight_outlier_ratio", "weight_sqnr_db"),
    *("activation_clip", "activation_outlier_ratio", "activation_saturated", "activation_sqnr_db"),
)
WHAT = {
    Mode.ONE: "one layer in INT8, all others in FP32",
    Mode.ALL_BUT_ONE: "one layer in FP32, all others in INT8",
    Mode.BLOCK: "one block in INT8, all others in FP32",
    Mode.COMPARED: "two recorded runs, tensor by tensor",
}
OWN = ("sqnr", "cosine", "max-error", "top1")  # metrics with a column of their own
_WIDTH = 80
_INDENT = " " * 7


def as_text(found: Sensitivity, *, top: int = 10, full_names: bool = False) -> str:
    """The network, all of it in INT8, then the costliest layers, two lines each."""
    lines = [f"{label:<8}{plain(said)}" for label, said in about(found)]
    lines += [
        "",
        "Costliest first" if found.mode is not Mode.ALL_BUT_ONE else "What keeping it in FP32 saves, most first",
    ]
    own = found.metric.name not in OWN
    head = f"{'loss %':>6} {'SQNR dB':>8} {'cosine':>8} {'max err':>9} {'top-1 %':>8} {'outliers':>9} {'clipped %':>10}"
    lines.append(head + (f" {'metric':>9}" if own else ""))
    for layer in found.ranked()[:top]:
        lines.append(_figures(found, layer, own))
        name = f"{layer.name}  {layer.op}" if full_names else shorten(layer.name, _WIDTH - 8 - len(layer.op) - 2)
        lines.append(_INDENT + (plain(name) if full_names else f"{name}  {layer.op}"))
    if len(found.layers) > top:
        rest = sum(share(found, layer) for layer in found.ranked()[top:])
        lines.append(f"{signed_percent(rest):>6}   {len(found.layers) - top} more (--top N)")
    lines += _arrivals(found, top)
    for finding in found.findings:
        lines += ["", *textwrap.wrap(f"{finding.level}: {plain(finding.message)}", _WIDTH, break_long_words=False)]
        if finding.hint:
            lines.append(f"  hint: {plain(finding.hint)}")
    return "\n".join(lines) + "\n"


def about(found: Sensitivity) -> Iterator[tuple[str, str]]:
    """What was measured, a line each with its label."""
    layers = count(len(found.layers), "block" if found.mode is Mode.BLOCK else "layer")
    yield "network", f"{found.model}, opset {found.opset}, {layers}"
    range_of = "" if found.calibration == "none" else f"; {found.calibration} calibration"
    yield "data", f"{found.data}, {count(found.samples, 'sample')}{range_of}"
    yield "runs", WHAT[found.mode]
    value = "" if found.fp32 is None or found.metric.name in OWN else f", {number(found.fp32)} in FP32"
    yield "metric", f"{found.metric.name}{value}"
    if found.int8 is not None:
        yield "int8", f"all layers: {said_of(found, found.int8)}"


def said_of(found: Sensitivity, score: Score) -> str:
    """A score in words: `18.3 dB, cosine 0.9932, top-1 97.2 %`."""
    parts = [f"{decibels(score.sqnr_db)} dB"]
    if score.cosine is not None:
        parts.append(f"cosine {score.cosine:.4f}")
    if score.top1_agreement is not None:
        parts.append(f"top-1 as in FP32 {percent(score.top1_agreement)} %")
    if found.metric.name not in OWN and score.metric is not None:
        parts.append(f"{found.metric.name.rpartition(':')[2]} {number(score.metric)}")
    return ", ".join(parts)


def share(found: Sensitivity, layer: LayerSensitivity) -> float:
    """A layer's part of the sum of all losses."""
    whole = sum(max(one.loss, 0.0) for one in found.layers)
    return layer.loss / whole if whole else 0.0


def signed_percent(value: float) -> str:
    """`64.3`, `-0.2`."""
    return percent(value) if value >= 0 else f"-{percent(-value)}"


def decibels(value: float | None) -> str:
    """`23.4`; `exact` where nothing differs."""
    return "exact" if value is None else f"{value:.1f}"


def number(value: float | None) -> str:
    """Four digits, or `-`."""
    return "-" if value is None else f"{value:.4g}"


def worst(layer: LayerSensitivity) -> TensorStats | None:
    """The activation that INT8 holds worst."""
    known = [one for one in layer.activations if one.sqnr_db is not None]
    return min(known, key=lambda one: one.sqnr_db or 0.0, default=None)


def _figures(found: Sensitivity, layer: LayerSensitivity, own: bool) -> str:
    score, tensor = layer.score, worst(layer)
    cosine = "-" if score.cosine is None else f"{score.cosine:.4f}"
    top1 = "-" if score.top1_agreement is None else percent(score.top1_agreement)
    outliers = "-" if tensor is None or tensor.outlier_ratio is None else f"{tensor.outlier_ratio:.1f}"
    clipped = "-" if tensor is None or tensor.saturated is None else f"{100 * tensor.saturated:.3f}"
    figures = f"{signed_percent(share(found, layer)):>6} {decibels(score.sqnr_db):>8} {cosine:>8}"
    figures += f" {number(score.max_error):>9} {top1:>8} {outliers:>9} {clipped:>10}"
    return figures + (f" {number(score.metric):>9}" if own else "")


def _arrivals(found: Sensitivity, top: int) -> Iterator[str]:
    """How the error of the costliest layers goes on."""
    shown = [layer for layer in found.ranked()[: min(top, 3)] if layer.loss > 0 and later(layer)]
    if not shown:
        return
    yield ""
    yield "How their errors go on: SQNR dB at the input of later layers"
    for layer in shown:
        arrivals = later(layer)
        yield f"{_INDENT}{shorten(layer.name, _WIDTH - 7)}"
        for label, one in (
            ("next", arrivals[0]),
            ("worst", max(arrivals, key=lambda one: one.error)),
            ("last", arrivals[-1]),
        ):
            if label == "next" or one != arrivals[0]:
                yield f"{_INDENT}  {label:<6}{decibels(arrived(one)):>7}  {shorten(one.layer, _WIDTH - 24)}"


def later(layer: LayerSensitivity) -> tuple[Propagated, ...]:
    """What reaches layers that are not quantized themselves."""
    return tuple(one for one in layer.propagated if one.layer not in layer.nodes)


def arrived(one: Propagated) -> float | None:
    """SQNR of what reaches a layer."""
    return -10 * log10(one.error) if one.error > 0 else None


def as_csv(found: Sensitivity) -> str:
    """A row a layer, in the network's order."""
    stream = io.StringIO()
    writer = CsvWriter(stream)
    writer.writerow(COLUMNS)
    for layer in found.layers:
        score, weight, tensor = layer.score, layer.weights, worst(layer)
        cells = [layer.name, layer.op, " ".join(layer.nodes), layer.loss, score.sqnr_db, score.cosine, score.max_error]
        cells += [score.top1_agreement, score.metric]
        cells += [weight and weight.clip, weight and weight.outlier_ratio, weight and weight.sqnr_db]
        cells += [tensor and getattr(tensor, name) for name in ("clip", "outlier_ratio", "saturated", "sqnr_db")]
        writer.writerow(["" if cell is None else cell for cell in cells])
    return unsteered(stream.getvalue())


def as_markdown(found: Sensitivity, *, top: int = 10) -> str:
    """The network and its costliest layers."""
    lines = [f"### What INT8 costs in {code(found.model)}", ""]
    lines += [f"- {label}: {escaped(said)}" for label, said in about(found)][1:]
    titles = [
        ("layer", False),
        ("op", False),
        *((n, True) for n in ("loss %", "SQNR dB", "cosine", "max error", "top-1 %")),
    ]
    lines += ["", *table_head(titles)]
    for layer in found.ranked()[:top]:
        score = layer.score
        cosine = "-" if score.cosine is None else f"{score.cosine:.4f}"
        top1 = "-" if score.top1_agreement is None else percent(score.top1_agreement)
        cells = [signed_percent(share(found, layer)), decibels(score.sqnr_db), cosine, number(score.max_error), top1]
        lines.append(row([code(layer.name), escaped(layer.op), *cells]))
    for finding in found.findings:
        lines += ["", f"**{finding.level}**: {escaped(finding.message)}"]
    return "\n".join(lines) + "\n"
