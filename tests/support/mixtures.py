"""Traces whose kernels' activities are known: random schedules, and the samples that a GPU would have given of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from tcscope.sources.nsys.metrics import Intervals, Samples
from tests.support.traces import PID, TraceBuilder

Floats = npt.NDArray[np.float64]


@dataclass
class Mixture:
    """How to make one. Times in ns, activities in percent; `streams` run beside each other, without knowing it."""

    seed: int = 0
    kernels: int = 8
    launches: int = 3000
    period: int = 50_000
    offset: int = 0
    drift: float = 0.0
    noise: float = 1.0
    dropped: float = 0.0
    idle: float = 0.2
    streams: int = 1
    activity: Floats = field(default_factory=lambda: np.empty(0))
    paired: bool = False  # the second kernel always right after the first, and both short
    late: int = 0  # activities begin so long after their launches

    def __post_init__(self) -> None:
        random = np.random.default_rng(self.seed)
        if not len(self.activity):
            busy = random.uniform(2, 90 / self.streams, self.kernels)
            self.activity = np.where(random.random(self.kernels) < 0.4, 0.0, busy)
        length = random.uniform(3_000, 40_000, self.kernels)
        if self.paired:
            length[:2] = 800
        parts = []
        for _ in range(self.streams):
            code = random.integers(0, self.kernels, self.launches // self.streams)
            if self.paired:
                code = np.where(code == 1, 0, code)
                twice = np.where(code == 0, 2, 1)
                code = np.repeat(code, twice)
                code[(np.cumsum(twice) - 1)[twice == 2]] = 1
            ns = (length[code] * random.uniform(0.95, 1.05, len(code))).astype(np.int64)
            gap = np.where(random.random(len(code)) < self.idle, random.exponential(30_000, len(code)), 300).astype(
                np.int64
            )
            start = 10_000_000 + np.cumsum(gap) + np.cumsum(ns) - ns
            parts.append((start, start + ns, code))
        self.start, self.end, self.code = (np.concatenate(column) for column in zip(*parts, strict=True))
        self._sample(random)

    def _sample(self, random: np.random.Generator) -> None:
        number = int(self.end.max() - 9_000_000) // self.period + 20
        clock = 9_000_000 + np.arange(number + 1) * self.period  # of the kernels
        value = np.zeros(number)
        fine = np.zeros(number + 1)
        for kernel, activity in enumerate(self.activity):
            mine = self.code == kernel
            length = float((self.end[mine] - self.start[mine]).mean()) if mine.any() else 1.0
            scale = length / max(length - self.late, 1.0)  # the mean over the launch stays what it is
            for edge, sign in ((self.start[mine] + self.late, scale), (self.end[mine], -scale)):
                order = np.sort(edge)
                before = np.searchsorted(order, clock)
                total = np.concatenate([[0], np.cumsum(order.astype(float))])
                fine += sign * activity * (before * clock.astype(float) - total[before])
        value = np.diff(fine) / self.period + random.normal(0, self.noise, number)
        self.values = np.clip(np.rint(value), 0, 100)
        middle = float(clock.mean())
        self.timestamps = np.rint(clock[:-1] - self.offset - self.drift * (clock[:-1] - middle)).astype(np.int64)
        keep = random.random(number) >= self.dropped
        self.values, self.timestamps = self.values[keep], self.timestamps[keep]

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(f"kernel_{number}" for number in range(self.kernels))

    def samples(self) -> Samples:
        return Samples(0, self.timestamps, {"tensor_active": self.values.copy()})

    def ran(self) -> Intervals:
        return Intervals(self.names, self.start, self.end, self.code)

    def write(self, path: Path, names: dict[int, str] | None = None, **more: dict[int, int]) -> Path:
        """As an nsys export; `names` gives kernels other names, `more` samples of other metrics."""
        builder = TraceBuilder().gpu().cuda_device(0, 0, PID)
        for start, end, code in zip(self.start.tolist(), self.end.tolist(), self.code.tolist(), strict=True):
            builder.launch((names or {}).get(code, f"kernel_{code}"), start, end)
        tensor = dict(zip(self.timestamps.tolist(), self.values.astype(int).tolist(), strict=True))
        builder.metric("Tensor Active [Throughput %]", tensor, metric_id=5)
        for number, (name, samples) in enumerate(more.items()):
            builder.metric(f"{name} [Throughput %]", samples, metric_id=10 + number)
        return builder.write(path)
