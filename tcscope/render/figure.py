"""The kernel time by unit and precision as a matplotlib figure, for papers (`Report.plot()`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tcscope.analysis.grouping import group
from tcscope.errors import UsageError
from tcscope.model import Report
from tcscope.render import text
from tcscope.wording import percent, plain

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Precisions have the colours of NVIDIA's TREx, whose users know them; hatches tell the units apart in print.
_COLOURS = {
    "int8": "#76b900", "int4": "#35bf93", "int1": "#8fd6b5", "fp16": "#ff9f1c", "bf16": "#e3bd14", "fp32": "#f4695f",
    "tf32": "#dc87dc", "fp64": "#bd9372", "fp8": "#5aa5ff", "fp6": "#79c9ea", "fp4": "#a099ff", "mixed": "#c9bd62",
}  # fmt: skip
_OTHER = "#b3bac3"
_HATCHES = {"tensor_core": "", "cuda_core": "///", "unknown": "..."}


def show(report: Report) -> Figure:
    """A bar for each unit and precision, longest on top. Raises UsageError where matplotlib is not installed."""
    try:
        from matplotlib import pyplot
    except ImportError as error:
        raise UsageError(
            "plot() needs matplotlib, which is not installed", "python3 -m pip install 'tcscope[plot]'"
        ) from error
    groups = group(report, ("unit", "precision")).groups
    figure, axes = pyplot.subplots(figsize=(7, 1.2 + 0.36 * max(len(groups), 1)), layout="constrained")
    # Of pyplot's list, so that a notebook doesn't show it twice: as the open figure and as the result of the cell.
    pyplot.close(figure)
    bars = axes.barh(
        [" ".join(key for key in row.keys if key != "unknown") or "unknown" for row in groups],
        [100 * row.share for row in groups],
        color=[_COLOURS.get(row.keys[1], _OTHER) for row in groups],
        hatch=[_HATCHES[row.keys[0]] for row in groups],
        edgecolor="black",
        linewidth=0.6,
    )
    axes.bar_label(bars, [f"{percent(row.share)} %" for row in groups], padding=4)
    axes.invert_yaxis()
    axes.set_xlim(0, 112)  # room for the label of a bar that takes all
    axes.set_xlabel("kernel time (%)")
    axes.spines[["top", "right"]].set_visible(False)
    share = text.bracket(report.tensor_share.low, report.tensor_share.high)
    gpu = ", ".join(dict.fromkeys(device.name for device in report.trace.devices if device.name))
    title = f"{share} on Tensor Cores" + (f", {gpu}" if gpu else "")
    axes.set_title(plain(title), loc="left", fontsize=11, parse_math=False)
    return figure
