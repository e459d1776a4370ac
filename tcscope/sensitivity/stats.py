"""What INT8 makes of a layer's weight and activations: clip points, outliers, what saturates."""

from __future__ import annotations

import numpy as np

from tcscope.model.sensitivity import Histogram, TensorStats
from tcscope.sensitivity.calibrate import BINS, Seen
from tcscope.sensitivity.int8 import LARGEST, Array, rounded, scale_of, weight_scales
from tcscope.sensitivity.sums import decibels, noise_of, power_of

SHOWN_BINS = 64
_MOST = 0.999  # of magnitudes; what is beyond is an outlier


def of_weight(name: str, weight: Array, axis: int | None) -> TensorStats:
    """A weight with a scale per output channel, in which nothing saturates."""
    values = weight.astype(np.float32, copy=False)
    scales = weight_scales(values, axis)
    magnitudes = np.abs(values)
    counts, edges = np.histogram(values.astype(np.float64), SHOWN_BINS)
    power = power_of(values)
    typical = float(np.quantile(magnitudes, _MOST))
    return TensorStats(
        name,
        float(values.min()),
        float(values.max()),
        clip=float(scales.max()) * LARGEST,
        clip_low=float(scales.min()) * LARGEST,
        outlier_ratio=float(magnitudes.max()) / typical if typical else None,
        saturated=0.0,
        sqnr_db=decibels(noise_of(values, rounded(values, scales)) / power) if power else None,
        channels=values.shape[axis] if axis is not None else 1,
        histogram=_histogram(counts, edges),
    )


class Activation:
    """The activation's values over all samples, once its clip is known."""

    def __init__(self, name: str, seen: Seen, clip: float) -> None:
        self.name, self.seen, self.clip = name, seen, clip
        self.noise = self.power = 0.0
        self.beyond = self.size = 0

    def add(self, values: Array) -> None:
        """Take another batch in."""
        self.noise += noise_of(values, rounded(values, scale_of(self.clip)))
        self.power += power_of(values)
        self.beyond += int((np.abs(values) > self.clip * (1 + 1e-6)).sum())
        self.size += values.size

    def stats(self) -> TensorStats:
        """All that is known of it."""
        seen = self.seen
        counts = seen.counts if seen.counts is not None else np.zeros(BINS, dtype=np.int64)
        edges = seen.edges
        typical = _quantile(counts, edges, _MOST)
        within = edges >= seen.minimum - (edges[1] - edges[0])  # half of the histogram is empty behind a ReLU
        start = int(np.argmax(within)) if within.any() else 0
        shown = np.histogram((edges[start:-1] + edges[start + 1 :]) / 2, SHOWN_BINS, weights=counts[start:])
        return TensorStats(
            self.name,
            seen.minimum,
            seen.maximum,
            clip=self.clip,
            clip_low=self.clip,
            outlier_ratio=seen.largest / typical if typical else None,
            saturated=self.beyond / self.size if self.size else None,
            sqnr_db=decibels(self.noise / self.power) if self.power else None,
            channels=1,
            histogram=_histogram(*shown),
        )


def _quantile(counts: Array, edges: Array, share: float) -> float:
    """The magnitude below which `share` of the values lie, to the width of a bin."""
    half = len(counts) // 2
    magnitudes = (counts[half:] + counts[:half][::-1]).cumsum()
    if not magnitudes[-1]:
        return 0.0
    return float(edges[half + 1 + int(np.searchsorted(magnitudes, share * magnitudes[-1]))])


def _histogram(counts: Array, edges: Array) -> Histogram:
    return Histogram(tuple(map(float, edges)), tuple(int(count) for count in counts))
