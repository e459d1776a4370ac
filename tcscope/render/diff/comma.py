"""The diff as CSV: a row for each cause of each layer, so that sums by any column add up. Times in ns."""

from __future__ import annotations

import io

from tcscope.model import Change, ChangeSide, Diff
from tcscope.render.csvwriter import CsvWriter

_SIDE = ("names", "ns", "launches", "unit", "precision", "op", "src", "dst")
COLUMNS = (
    *("name", "kind", "cause", "cause_ns", "delta_ns", "share", "matched"),
    *(f"{side}_{field}" for side in ("base", "new") for field in _SIDE),
)


def layers_csv(diff: Diff) -> str:
    """A row a layer and cause, worst first. `cause_ns` is the cause's part of `delta_ns`, the layer's whole change."""
    stream = io.StringIO()
    writer = CsvWriter(stream)
    writer.writerow(COLUMNS)
    for change in diff.layers:
        writer.writerows(_rows(change))
    return stream.getvalue()


def _rows(change: Change) -> list[list[object]]:
    sides = [*_side(change.base), *_side(change.new)]
    return [
        [change.name, change.kind, part.cause, part.ns, change.delta_ns, change.share, change.matched, *sides]
        for part in change.parts
    ]


def _side(side: ChangeSide | None) -> list[object]:
    if side is None:
        return [""] * len(_SIDE)
    values = [" | ".join(side.names), *(getattr(side, name) for name in _SIDE[1:])]
    return ["" if value is None else value for value in values]
