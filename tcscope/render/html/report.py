"""The page of a report: the answer, what to do, and every layer, kernel and reformat behind it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tcscope.analysis.grouping import group
from tcscope.analysis.ledger.flows import flows
from tcscope.model import Group, Kernel, Layer, LayerKernel, Reformat, Report, Unit
from tcscope.render import text
from tcscope.render.html.listing import listing
from tcscope.render.html.site import page
from tcscope.render.html.strip import Span, wrapped
from tcscope.render.reformats import route, why
from tcscope.wording import count, duration, plain

KERNELS_SHOWN = 200  # rows that are there without JavaScript; with it, all are
LAYERS_SHOWN = 100
_UNKNOWN_SHOWN = 20


@dataclass(frozen=True, slots=True)
class LayerEntry:
    """A layer with all that the page says of it: its kernels with their verdicts, its reformats, findings about it."""

    layer: Layer
    kernels: tuple[tuple[LayerKernel, Kernel | None], ...]
    reformats: tuple[Reformat, ...]
    findings: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Block:
    """A layer on the strip."""

    number: int
    layer: Layer
    span: Span


def as_html(report: Report) -> str:
    """The report as one HTML file that needs nothing else."""
    whole = max(report.totals.kernel_ns, 1)
    measured = any(kernel.measured for kernel in report.kernels)
    medians = any(kernel.median_ns is not None for kernel in report.kernels)
    entries = _entries(report)
    kernels = listing(
        report.kernels,
        [kernel.ns for kernel in report.kernels],
        KERNELS_SHOWN,
        "kernel_row",
        whole=whole,
        measured=measured,
        medians=medians,
    )
    layers = listing(
        entries, [entry.layer.ns for entry in entries], LAYERS_SHOWN, "layer_entry", whole=whole, report=report
    )
    return page(
        "report.html",
        report,
        f"Tensor Cores in {plain(report.trace.file)}",
        report=report,
        whole=whole,
        text=text,
        facts=tuple(facts(report)),
        shares=text.shares(report.tensor_share),
        groups=groups(report, "unit", "precision"),
        evidence=groups(report, "evidence"),
        precisions=tuple(dict.fromkeys(layer.precision for layer in report.layers if layer.precision != "unknown")),
        blocks=_blocks(report),
        layers=layers,
        kernels=kernels,
        measured=measured,
        medians=medians,
        flows=flows(report.reformats),
        why=why,
        route=route,
        unknown=_unknown(report),
        unknown_shown=_UNKNOWN_SHOWN,
    )


def groups(report: Report, *by: str) -> tuple[Group, ...]:
    """The kernel time by these dimensions, longest first."""
    return group(report, by).groups


def facts(report: Report) -> Iterator[tuple[str, str]]:
    """Where the answer comes from: one line each."""
    trace, totals, layering = report.trace, report.totals, report.layering
    yield "Trace", trace.file
    for line in text.gpus(trace):
        yield "GPU", line
    if report.layers and layering is not None and layering.level != "range":
        found = "NVTX ranges" if layering.level == "layer" else "tactics and order of launches"
        if trace.tool == "trtexec":
            found = "its layer file"
        yield "TensorRT", f"{count(len(report.layers), 'layer')}, known by {found}"
    yield "Recorded with", text.captured_with(trace)
    if text.selection(trace):
        yield "Only", text.selection(trace)
    kernels = count(len({kernel.name for kernel in report.kernels}), "kernel")
    yield "Kernel time", f"{duration(totals.kernel_ns)} in {count(totals.launches, 'launch')} of {kernels}"
    if report.iterations is not None and report.iterations.count:
        yield "Each inference", text.per_inference(report.iterations)
    if text.beside(totals):
        yield "Beside", text.beside(totals)
    if report.measurement is not None:
        yield "Measured", f"GPU metrics: {text.how_measured(report.measurement)}"


def _entries(report: Report) -> tuple[LayerEntry, ...]:
    verdicts = {(kernel.name, kernel.unit, kernel.precision): kernel for kernel in report.kernels}
    reformats: dict[str, list[Reformat]] = defaultdict(list)
    for row in report.reformats:
        reformats[row.layer].append(row)
    findings: dict[str, list[int]] = defaultdict(list)
    for number, finding in enumerate(report.findings):
        for name in finding.layers:
            findings[name].append(number)
    return tuple(
        LayerEntry(
            layer,
            tuple((part, verdicts.get((part.name, part.unit, part.precision))) for part in layer.kernels),
            tuple(reformats[layer.name]),
            tuple(findings[layer.name]),
        )
        for layer in report.layers
    )


def _blocks(report: Report) -> tuple[Block, ...]:
    spans = wrapped([layer.ns for layer in report.layers])
    pairs = zip(report.layers, spans, strict=True)
    return tuple(Block(number, layer, span) for number, (layer, span) in enumerate(pairs) if layer.ns)


def _unknown(report: Report) -> dict[str, Any]:
    """What can't be told, as it stands in the report: kernels without a verdict, and time that has no place."""
    totals, layering = report.totals, report.layering
    noun = "range" if layering is not None and layering.level == "range" else "layer"
    lines = [
        (totals.graph_ns, f"{count(totals.graph_launches, 'CUDA graph launch')} whose kernels the trace doesn't show; "
         "in no number here", "record again with nsys profile --cuda-graph-trace=node"),
        (totals.unplaced_ns, f"{count(totals.unplaced_launches, 'launch')} without a launch call in the trace: outside "
         "every range", "record the CUDA API too: nsys profile -t cuda,nvtx"),
    ]  # fmt: skip
    if layering is not None:
        lines.append((layering.outside_ns, f"in no {noun}: no {noun} was open when these kernels were launched", ""))
        if layering.joined_ns:
            lines.append((layering.joined_ns, "came to its layer by tactic and order of launches, not by a range", ""))
        elif layering.graph_ns:
            hint = "give the engine's layer file: --layers layers.json"
            lines.append((layering.graph_ns, "launched by CUDA graphs, which hide the layers", hint))
    gaps = [kernel for kernel in report.kernels if kernel.unit is Unit.UNKNOWN]
    return {
        "kernels": gaps,
        "ns": next((g.ns for g in groups(report, "unit") if g.keys == ("unknown",)), 0),
        "lines": [line for line in lines if line[0]],
        "negative": totals.negative_launches,
    }
