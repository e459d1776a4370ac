"""From launches and verdicts to a report, and from two reports to a diff."""

from tcscope.analysis.difference.reports import compare
from tcscope.analysis.pipeline import analyze

__all__ = ["analyze", "compare"]
