"""The range of each activation that INT8 holds: by entropy as in onnxruntime, by percentile, or its extremes."""

from __future__ import annotations

import contextlib
import io
from dataclasses import dataclass

import numpy as np

from tcscope.model.sensitivity import Calibration
from tcscope.sensitivity.int8 import Array

BINS = 1024  # over both signs
_LEVELS = 128  # bins that a candidate range is merged into, as in onnxruntime and in TensorRT
_EPSILON = 0.0001  # of a count, in a bin that holds none
_TINY, _HUGE = 1e-35, 1e38  # between them FP32 holds BINS edges, each larger than the one before
PERCENTILE = 99.999  # of magnitudes, as in onnxruntime


@dataclass
class Seen:
    """What an activation held, over all samples: its extremes and a histogram between them, symmetric about 0."""

    minimum: float = np.inf
    maximum: float = -np.inf
    counts: Array | None = None
    infinite: bool = False  # or not a number, some of it

    @property
    def largest(self) -> float:
        """The largest magnitude."""
        return max(abs(self.minimum), abs(self.maximum)) if self.minimum <= self.maximum else 0.0

    @property
    def edges(self) -> Array:
        """The edges of the histogram's bins: of FP32, or of FP64 where that can't tell them from each other."""
        if not _TINY < self.largest < _HUGE:
            return np.linspace(-self.largest or -1.0, self.largest or 1.0, BINS + 1)
        end = np.float32(self.largest)
        return np.linspace(-end, end, BINS + 1, dtype=np.float32)

    def widen(self, values: Array) -> None:
        """Take the extremes of more values in, of those that are finite."""
        if not values.size:
            return
        low, high = float(values.min()), float(values.max())
        if not (np.isfinite(low) and np.isfinite(high)):
            self.infinite = True
            self.widen(values[np.isfinite(values)])
            return
        self.minimum = min(self.minimum, low)
        self.maximum = max(self.maximum, high)

    def count(self, values: Array) -> None:
        """Take more values into the histogram, once the extremes of all are known."""
        edges = self.edges
        wide = values if edges.dtype == np.float32 else values.astype(np.float64)
        counted, _ = np.histogram(wide, BINS, range=(float(edges[0]), float(edges[-1])))
        self.counts = counted if self.counts is None else self.counts + counted


def clip_of(seen: Seen, method: Calibration, percentile: float = PERCENTILE) -> float:
    """The largest magnitude that INT8 shall hold of an activation."""
    if method is Calibration.MINMAX or seen.counts is None or not _TINY < seen.largest < _HUGE:
        return seen.largest
    low, high = np.float32(seen.minimum), np.float32(seen.maximum)
    if method is Calibration.ENTROPY:
        start, end = by_entropy(seen.counts)
        low, high = max(low, seen.edges[start]), min(high, seen.edges[end])
        return max(abs(float(low)), abs(float(high)))
    from onnxruntime.quantization.calibrate import HistogramCollector

    half = BINS // 2
    magnitudes = seen.counts[half:] + seen.counts[:half][::-1]
    collector = HistogramCollector("percentile", True, BINS, _LEVELS, percentile, None)
    collector.histogram_dict = {"": (magnitudes, seen.edges[half:], low, high)}
    with contextlib.redirect_stdout(io.StringIO()):  # it reports its progress there, where only answers belong
        low, high, *_ = collector.compute_percentile()[""]
    return max(abs(float(low)), abs(float(high)))


def by_entropy(counts: Array) -> tuple[int, int]:
    """The edges of a histogram, symmetric about its middle, between which 128 levels keep most of the information.

    The same steps as `get_entropy_threshold` of onnxruntime 1.32, in the same types, so that its choice is
    the same to the bin; that adds up slices in Python, which took 0.2 s a tensor. The method is TensorRT's: S. Migacz,
    8-bit Inference with TensorRT, GTC 2017.
    """
    middle, total = counts.size // 2, np.concatenate([[0], np.cumsum(counts)])
    best, chosen = np.float32(np.inf), _LEVELS // 2
    for half in range(_LEVELS // 2, middle + 1):
        start, end = middle - half, min(middle + half + 1, counts.size)
        within = counts[start:end]
        clipped = within.copy()  # what lies beyond is counted at the ends
        clipped[0] += total[start]
        clipped[-1] += total[-1] - total[end]
        width = within.size // _LEVELS
        whole = width * _LEVELS
        sums = within[:whole].reshape(_LEVELS, width).sum(axis=1)
        sums[-1] += within[whole:].sum()
        filled = (clipped[:whole] != 0).reshape(_LEVELS, width).sum(axis=1)
        quantized = np.zeros(within.size, dtype=np.int64)
        quantized[:whole] = np.repeat(np.where(filled, sums / np.maximum(filled, 1), 0).astype(np.int64), width)
        lost = _divergence(clipped, quantized)
        if lost < best:
            best, chosen = lost, half
    return middle - chosen, min(middle + chosen + 1, counts.size)


def _divergence(reference: Array, other: Array) -> np.float32:
    """Kullback and Leibler's divergence of two histograms, smoothed; infinite where one is empty."""
    p, q = _smoothed(reference), _smoothed(other)
    if p is None or q is None:
        return np.float32(np.inf)
    p, q = p / p.sum(), q / q.sum()
    return np.float32((p * np.log(p / q)).sum())


def _smoothed(counts: Array) -> Array | None:
    """A histogram in which empty bins hold 0.0001, taken off the others."""
    empty = counts == 0
    zeros = int(empty.sum())
    filled = counts.size - zeros
    if not filled:
        return None
    taken = np.float32(_EPSILON * zeros / filled)
    made: Array = counts.astype(np.float32) + np.where(empty, np.float32(_EPSILON), -taken)
    return made
