"""The range of each activation that INT8 holds: onnxruntime's entropy and percentile calibration, or its extremes."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from tcscope.model.sensitivity import Calibration
from tcscope.sensitivity.int8 import Array

BINS = 1024  # over both signs
_LEVELS = 128  # bins that a candidate range is merged into, as in onnxruntime and in TensorRT
PERCENTILE = 99.999  # of magnitudes, as in onnxruntime


@dataclass
class Seen:
    """What an activation held, over all samples: its extremes and a histogram between them, symmetric about 0."""

    minimum: float = np.inf
    maximum: float = -np.inf
    counts: Array | None = None

    @property
    def largest(self) -> float:
        """The largest magnitude."""
        return max(abs(self.minimum), abs(self.maximum))

    @property
    def edges(self) -> Array:
        """The edges of the histogram's bins."""
        end = np.float32(self.largest) or np.float32(1)
        return np.linspace(-end, end, BINS + 1, dtype=np.float32)

    def widen(self, values: Array) -> None:
        """Take the extremes of more values in."""
        if values.size:
            self.minimum = min(self.minimum, float(values.min()))
            self.maximum = max(self.maximum, float(values.max()))

    def count(self, values: Array) -> None:
        """Take more values into the histogram, once the extremes of all are known."""
        end = self.largest or 1.0
        counted, _ = np.histogram(values, BINS, range=(-end, end))
        self.counts = counted if self.counts is None else self.counts + counted


def clip_of(seen: Seen, method: Calibration, percentile: float = PERCENTILE) -> float:
    """The largest magnitude that INT8 shall hold of an activation."""
    if method is Calibration.MINMAX or seen.counts is None or not seen.largest:
        return seen.largest
    from onnxruntime.quantization.calibrate import HistogramCollector

    edges = seen.edges
    extremes = np.float32(seen.minimum), np.float32(seen.maximum)
    name = "entropy" if method is Calibration.ENTROPY else "percentile"
    collector = HistogramCollector(name, True, BINS, _LEVELS, percentile, None)
    if method is Calibration.ENTROPY:
        low, high = collector.get_entropy_threshold((seen.counts, edges, *extremes, np.float32(seen.largest)), _LEVELS)
    else:
        half = BINS // 2
        magnitudes = seen.counts[half:] + seen.counts[:half][::-1]
        collector.histogram_dict = {"": (magnitudes, edges[half:], *extremes)}
        with contextlib.redirect_stdout(io.StringIO()):  # it reports its progress there, where only answers belong
            low, high, *_ = collector.compute_percentile()[""]
    return max(abs(float(low)), abs(float(high)))


def clips(seen: Mapping[str, Seen], method: Calibration, percentile: float) -> dict[str, float]:
    """The clip of each activation by name."""
    return {name: clip_of(one, method, percentile) for name, one in seen.items()}


def observe(seen: dict[str, Seen], values: Iterable[Mapping[str, Array]]) -> None:
    """Take the extremes of every named tensor, batch by batch."""
    for batch in values:
        for name, one in seen.items():
            one.widen(batch[name])
