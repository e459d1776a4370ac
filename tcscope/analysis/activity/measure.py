"""From a trace's samples to what each kernel did: one system of windows a GPU, one solution a metric."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from tcscope.analysis.activity.clock import clock_of
from tcscope.analysis.activity.solve import Solution, System, solve
from tcscope.analysis.activity.windows import edges, shares, windows_of
from tcscope.model import Estimate, Measured, Measurement
from tcscope.sources.nsys import NsysTrace

if TYPE_CHECKING:
    from tcscope.sources.nsys.metrics import Floats, Intervals, Samples
    from tcscope.sources.nsys.rows import Ints

ENOUGH_WINDOWS = 12  # in which a kernel must have run
WIDEST = 30.0  # points from low to high, before the bounds cut it; beyond, a value says little
_INFLATED = 300.0  # by its neighbours: beyond, the kernel and they are one
_SINGULAR = 1e6  # beyond, nothing at all tells them apart, and no bootstrap shows it
_MOST = 1000  # kernels of one GPU; the rest, of least time, are one component
_ALL = 0.9  # of a layer's time that must be in kernels which can be told apart or are told together

Key = tuple[str, int]  # a kernel's name and its GPU


@dataclass(frozen=True, slots=True)
class Gpu:
    """What was found on one GPU: `column` is the place of each kernel in the solutions, one a metric."""

    column: Mapping[str, int]
    windows: Ints
    solutions: Mapping[str, Solution]
    whole: Measurement


@dataclass(frozen=True, slots=True)
class Activity:
    """What was found on each GPU whose Tensor activity was sampled."""

    gpus: Mapping[int, Gpu]

    @property
    def whole(self) -> Measurement:
        """How well it went."""
        every = [gpu.whole for gpu in self.gpus.values()]
        worst = min(every, key=lambda whole: whole.r2)
        return replace(worst, windows=sum(w.windows for w in every), dropped=sum(w.dropped for w in every))

    def of(self, times: Mapping[Key, int]) -> Measured | None:
        """What kernels did together, weighted with these ns; None where none of them ran on a GPU with samples.

        The errors of the parts are added replicate by replicate, so that what two kernels took from each other cancels.
        """
        known = {key: ns for key, ns in times.items() if key[1] in self.gpus and key[0] in self.gpus[key[1]].column}
        if not known:
            return None
        whole = sum(times.values())
        weights = {key: ns / whole if whole else 1 / len(times) for key, ns in known.items()}
        windows = max(int(self.gpus[gpu].windows[self.gpus[gpu].column[name]]) for name, gpu in known)
        tensor, width = self._estimate("tensor_active", weights)
        told = sum(weight for key, weight in weights.items() if len(known) > 1 or self._inflation(key) <= _INFLATED)
        if tensor is not None and len(known) == 1 and self._inflation(*known) > _SINGULAR:
            return Measured(Estimate(tensor.value, 0.0, 100.0), windows=windows)
        return Measured(
            tensor_active=tensor,
            sm_issue=self._estimate("sm_issue", weights)[0],
            dram_read=self._estimate("dram_read", weights)[0],
            dram_write=self._estimate("dram_write", weights)[0],
            windows=windows,
            identifiable=width <= WIDEST and windows >= ENOUGH_WINDOWS and told >= _ALL,
        )

    def _inflation(self, key: Key) -> float:
        gpu = self.gpus[key[1]]
        return float(gpu.solutions["tensor_active"].inflation[gpu.column[key[0]]])

    def _estimate(self, metric: str, weights: Mapping[Key, float]) -> tuple[Estimate | None, float]:
        """The weighted mean of a metric, and the width of its interval before the bounds cut it."""
        import numpy as np

        value, errors = 0.0, np.zeros(1)
        for (name, gpu), weight in weights.items():
            solution = self.gpus[gpu].solutions.get(metric)
            if solution is None:
                return None, math.inf
            at = self.gpus[gpu].column[name]
            value += weight * float(solution.activity[at])
            errors = errors + weight * solution.errors[:, at]
        total = sum(weights.values())
        middle = value / total
        low, high = (middle + float(end) / total for end in np.percentile(errors, [2.5, 97.5]))
        ends = min(max(low, 0.0), middle), max(min(high, 100.0), middle)
        return Estimate(round(middle, 1), round(ends[0], 1), round(ends[1], 1)), high - low


def measure(trace: NsysTrace) -> Activity | None:
    """What the trace's samples tell of all its kernels, whatever was selected; None where they tell nothing."""
    from tcscope.sources.nsys.metrics import read_intervals, read_samples

    ran = read_intervals(trace.db, trace.devices)
    found = {
        samples.device: gpu
        for samples in read_samples(trace.db, trace.devices)
        if samples.device in ran and (gpu := _measured(samples, ran[samples.device])) is not None
    }
    return Activity(found) if found else None


def _measured(samples: Samples, ran: Intervals) -> Gpu | None:
    import numpy as np

    windows, period = windows_of(samples.timestamps)
    tensor = samples.values["tensor_active"]
    clock = clock_of(windows, ran, tensor, period)
    windows = windows.moved(clock.moves(windows))
    ran, column, columns, kernels = _components(ran)
    share = shares(windows, ran, columns)
    in_kernels = share @ (np.arange(columns) < kernels).astype(float) > 0
    used = np.flatnonzero(in_kernels & np.isfinite(tensor))
    if len(used) < 2:
        return None
    windowed = (share[used] > 0).sum(axis=0)
    solutions: dict[str, Solution] = {}
    system, last = None, used
    for metric, sampled in samples.values.items():
        at = np.flatnonzero(in_kernels & np.isfinite(sampled))
        if len(at) < 2:
            continue
        if system is None or not np.array_equal(at, last):
            part = share[at]
            system, last = System.of(part, edges(windows.of(at), ran, part)), at
        solutions[metric] = solve(system, sampled[at])
    found = solutions["tensor_active"]
    idle = tensor[(share.sum(axis=1) == 0) & np.isfinite(tensor)]
    whole = Measurement(
        r2=round(found.r2, 4),
        offset_ns=clock.offset_ns,
        period_ns=period,
        windows=len(used),
        drift_ppm=round(clock.drift * 1e6, 2),
        mean_sampled=round(_mean(tensor[used]), 2),
        mean_explained=round(_mean(found.explained), 2),
        mean_idle=round(_mean(idle), 2),
        dropped=samples.dropped,
        lag_ns=round(1e3 * found.lag_us),
    )
    return Gpu(column, windowed, solutions, whole)


def _components(ran: Intervals) -> tuple[Intervals, dict[str, int], int, int]:
    """What ran by the components to solve for: the kernels with most time, each its own, then what is opaque and the
    rest of the kernels. And the column of each kernel, the number of columns, and that of the kernels.
    """
    import numpy as np

    number = len(ran.names)
    time = np.bincount(ran.code, weights=ran.end - ran.start, minlength=number)
    present = np.flatnonzero(time > 0)
    order = present[np.lexsort((present, -time[present]))]
    kernels = order[order < number]
    kept, others = kernels[:_MOST], order[order >= number]
    to = np.full(len(time), len(kept))
    to[kept] = np.arange(len(kept))
    columns = len(kept) + (len(kernels) > len(kept))
    to[others] = columns + np.arange(len(others))
    names = {ran.names[code]: at for at, code in enumerate(kept.tolist())}
    return replace(ran, code=to[ran.code]), names, columns + len(others), columns


def _mean(values: Floats) -> float:
    return float(values.mean()) if len(values) else 0.0
