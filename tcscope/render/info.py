"""How `tcscope info` answers."""

from __future__ import annotations

import json

from tcscope.model.codec import encode
from tcscope.model.inventory import Inventory
from tcscope.render import text
from tcscope.wording import count, duration, json_text, plain

_RANGES = 12


def as_json(held: Inventory) -> str:
    """The inventory as JSON."""
    return json_text(json.dumps({"schema": "tcscope.info/1", **encode(held)}, indent=1, ensure_ascii=False)) + "\n"


def as_text(held: Inventory) -> str:
    """A line for each thing that the trace holds, then what it lacks."""
    trace = held.trace
    machine = [f"{label} {value}" for label, value in (("driver", trace.driver), ("CUDA", trace.cuda)) if value]
    rows = [("trace", plain(trace.file)), ("with", text.captured_with(trace))]
    rows.append(("host", ", ".join([trace.host, *machine] if trace.host else machine)))
    rows += [("" if number else "gpu", line) for number, line in enumerate(text.gpus(trace))]
    rows.append(("kernels", _kernels(held)))
    rows.append(("beside", ", ".join([count(held.copies, "memory copy"), count(held.sets, "memory set")])))
    rows.append(("graphs", _graphs(held)))
    if held.sampled_metrics:
        rate = f" at {held.sampled_hz / 1000:.1f} kHz" if held.sampled_hz else ""
        rows.append(("sampled", f"{count(held.sampled_metrics, 'GPU metric')}{rate}"))
    if held.domains:
        rows.append(("domains", ", ".join(map(plain, held.domains))))
    shown = [
        f"{r.instances:>6,} x {duration(r.ns / r.instances):>10}  {text.shorten(r.name, 50)}"
        for r in held.ranges[:_RANGES]
    ]
    if len(held.ranges) > _RANGES:
        shown.append(f"{'':21}and {len(held.ranges) - _RANGES} more names (--format json has all)")
    rows += [("" if number else "ranges", line) for number, line in enumerate(shown)]
    lines = [f"{label:<9}{line}".rstrip() for label, line in rows if line]
    for finding in held.missing:
        lines += ["", f"{finding.level}: {plain(finding.message)}"]
        if finding.hint:
            lines.append(f"  hint: {plain(finding.hint)}")
    return "\n".join(lines) + "\n"


def _kernels(held: Inventory) -> str:
    if not held.launches:
        return "none"
    parts = [f"{count(held.launches, 'launch')} of {count(held.kernels, 'kernel')} within {duration(held.span_ns)}"]
    parts += [count(held.streams, "stream"), f"process {', '.join(map(str, held.trace.processes))}"]
    return ", ".join(parts)


def _graphs(held: Inventory) -> str:
    opaque = f"{count(held.graph_launches, 'opaque launch')}" if held.graph_launches else ""
    mode = f"traced by {held.graph_mode}" if held.graph_mode else ""
    return ", ".join(part for part in (mode, opaque) if part)
