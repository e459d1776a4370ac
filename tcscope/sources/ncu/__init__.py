"""Counters of Nsight Compute: its CSV in each form, and its own reports."""

from tcscope.sources.ncu.counters import Counted, read_counters

__all__ = ["Counted", "read_counters"]
