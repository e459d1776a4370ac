"""From launches and verdicts to a report."""

from tcscope.analysis.pipeline import analyze

__all__ = ["analyze"]
