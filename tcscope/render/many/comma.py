"""The set as CSV: a row a trace, those that could not be read too. Times in ns, shares 0..1."""

from __future__ import annotations

import io

from tcscope.model.many import Member, TraceSet
from tcscope.render.csvwriter import CsvWriter
from tcscope.wording import unsteered

_TOTALS = ("launches", "kernel_ns", "busy_ns", "copies", "copy_ns", "sets", "set_ns", "graph_launches", "graph_ns")
_SHARES = ("low", "high", "eligible_low", "eligible_high")
_SELECTION = ("range", "skip", "device")
COLUMNS = ("file", "peers", "gpu", "sm", *_SELECTION, *_TOTALS, *_SHARES, "to_median", "captured", "error")


def traces_csv(found: TraceSet) -> str:
    """A row a trace, in the order in which they were given; `peers` is the same where times may be compared."""
    stream = io.StringIO()
    writer = CsvWriter(stream)
    writer.writerow(COLUMNS)
    writer.writerows(_row(member) for member in found.traces)
    return unsteered(stream.getvalue())


def _row(member: Member) -> list[object]:
    devices = [" | ".join(str(getattr(d, name) or "unknown") for d in member.devices) for name in ("name", "sm")]
    of = ((member.selection, _SELECTION), (member.totals, _TOTALS), (member.tensor_share, _SHARES))
    values = [getattr(part, name) if part is not None else None for part, names in of for name in names]
    every = [member.file, member.peers, *devices, *values, member.to_median, member.captured, member.error]
    return ["" if value is None else value for value in every]
