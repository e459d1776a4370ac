"""What the reader should know first: each finding with its time and one remedy. One family of findings a module."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from tcscope.analysis.findings import capture, int8, launching, reformats, shapes, units
from tcscope.model import Finding, Level, Report

_FAMILIES = (capture.find, units.find, int8.find, shapes.find, reformats.find, launching.find)
_ORDER = list(Level)


def find(report: Report) -> tuple[Finding, ...]:
    """The findings of a report, whose ledger is there if it has layers, in order."""
    families: tuple[Callable[[Report], Iterable[Finding]], ...] = _FAMILIES
    if report.measurement is not None:
        from tcscope.analysis.findings import activity

        families = (*families, activity.find)
    return in_order(finding for family in families for finding in family(report))


def in_order(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """The most serious first, then those with most time."""
    return tuple(sorted(findings, key=lambda finding: (_ORDER.index(finding.level), -finding.ns)))
