"""The reformat ledger in words."""

from __future__ import annotations

from collections import defaultdict

from tcscope.analysis.findings.evidence import matters
from tcscope.analysis.ledger.flows import Flow, flows
from tcscope.model import Reason, Reformat, Report
from tcscope.render.text import shorten
from tcscope.wording import percent

_ARROW = " -> "


def summary(report: Report) -> str:
    """`17.6 % of the kernel time: 4.8 fp32 -> int8, 1.7 fp32 -> fp32`; nothing where that is too little for a line."""
    ns, whole = sum(row.ns for row in report.reformats), max(report.totals.kernel_ns, 1)
    if not matters(ns, report):
        return ""
    ways: dict[str, int] = defaultdict(int)
    for flow in flows(report.reformats):
        ways[flow.direction] += flow.ns
    known = ", ".join(f"{percent(part / whole)} {way}" for way, part in ways.items() if way)
    return f"{percent(ns / whole)} % of the kernel time{f': {known}' if known else ''}"


def why(flow: Flow) -> str:
    """`network-io fp32 -> int8`, `constant inside layers`."""
    return " ".join(filter(None, (flow.reason, flow.direction, "inside layers" if flow.inside else "")))


def route(row: Reformat, width: int | None = None, *, gap: str = "…") -> str:
    """The way of a reformat: `network input -> LAYER`, `LAYER -> LAYER and 1 more`, `inside LAYER`, or its kernel.

    With a `width` the names are cut, each so that the other has its room.
    """
    source, sink = _ends(row)
    if not sink:
        return source if width is None else shorten(source, width, gap=gap)
    if width is not None:
        room = width - len(_ARROW)
        half = room // 2
        source, sink = (
            shorten(source, max(half, room - len(sink)), gap=gap),
            shorten(sink, max(room - half, room - len(source)), gap=gap),
        )
    return f"{source}{_ARROW}{sink}"


def _ends(row: Reformat) -> tuple[str, str]:
    """Where a reformat reads and writes; its place alone where neither is known."""
    if not row.layer:
        return row.kernel, ""
    if row.layer in row.feeds:
        return f"inside {row.layer}", ""
    if not row.leaves and not row.feeds:
        return row.layer, ""
    source = "network input" if row.reads_input else "a constant" if row.reason is Reason.CONSTANT else "?"
    sink = "network output" if row.writes_output else "?"
    more = f" and {len(row.feeds) - 1} more" if len(row.feeds) > 1 else ""
    return row.leaves or source, f"{row.feeds[0] if row.feeds else sink}{more}"
