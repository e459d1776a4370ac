"""The words of tcscope and the frozen dataclasses that travel between its rooms."""

from tcscope.model.report import (
    REPORT_SCHEMA,
    Breakdown,
    Finding,
    Group,
    Kernel,
    Layer,
    Place,
    Report,
    TensorShare,
    Totals,
    TraceInfo,
)
from tcscope.model.trace import Copies, Device, GraphLaunches, Launches, Selected, Selection
from tcscope.model.verdict import Verdict
from tcscope.model.words import (
    MATRIX_OPS,
    Accumulate,
    Dtype,
    Evidence,
    Level,
    Op,
    Precision,
    Unit,
    Word,
)

__all__ = [
    "MATRIX_OPS",
    "REPORT_SCHEMA",
    "Accumulate",
    "Breakdown",
    "Copies",
    "Device",
    "Dtype",
    "Evidence",
    "Finding",
    "GraphLaunches",
    "Group",
    "Kernel",
    "Launches",
    "Layer",
    "Level",
    "Op",
    "Place",
    "Precision",
    "Report",
    "Selected",
    "Selection",
    "TensorShare",
    "Totals",
    "TraceInfo",
    "Unit",
    "Verdict",
    "Word",
]
