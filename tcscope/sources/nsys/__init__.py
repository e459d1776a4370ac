"""SQLite exports of Nsight Systems, schema 2.9 (2022.1) to 3.25 (2026.2). All SQL of tcscope is in this folder."""

from tcscope.sources.nsys.trace import NsysTrace

__all__ = ["NsysTrace"]
