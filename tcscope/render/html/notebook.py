"""The summary of a report as a notebook shows it: a piece of HTML without script, style sheet or identifiers."""

from __future__ import annotations

from tcscope.model import Report
from tcscope.render import text
from tcscope.render.html.report import facts, groups
from tcscope.render.html.site import filled

_KERNELS = 5


def show(report: Report) -> str:
    """The answer, the time by unit and precision, the longest kernels and the findings."""
    return filled(
        "notebook.html",
        report=report,
        text=text,
        whole=max(report.totals.kernel_ns, 1),
        shares=text.shares(report.tensor_share),
        facts=facts(report),
        groups=groups(report, "unit", "precision"),
        kernels=report.kernels[:_KERNELS],
        more=max(len(report.kernels) - _KERNELS, 0),
    )
