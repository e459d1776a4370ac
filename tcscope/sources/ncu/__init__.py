"""Counters of Nsight Compute: its CSV in each form, and its own reports."""

from tcscope.sources.ncu.counted import Counted
from tcscope.sources.ncu.counters import read_counters

__all__ = ["Counted", "read_counters"]
