"""A small, scrubbed copy of an nsys export, and what an export tells of the machine it was recorded on."""

from tcscope.sources.nsys.slim.leaks import find_leaks
from tcscope.sources.nsys.slim.write import slim

__all__ = ["find_leaks", "slim"]
