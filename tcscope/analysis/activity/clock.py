"""How far the clock of the samples lies from that of the kernels: the offset at which the mixture fits best."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from tcscope.analysis.activity.windows import Windows, shares

if TYPE_CHECKING:
    from tcscope.sources.nsys.metrics import Floats, Intervals
    from tcscope.sources.nsys.rows import Ints

_STRETCH = 1500  # windows looked at together: in them the clocks don't move against each other
_STRETCHES = 12
_REACH = 2  # periods on either side that are searched
_FIT = 0.3  # R2 below which a stretch says nothing of the offset
_FAR = 0.02  # R2 that an offset of a period must gain: a program that repeats itself fits at many offsets


@dataclass(frozen=True, slots=True)
class Clock:
    """A sample at time t tells of the kernels' time t + offset_ns + drift * (t - at)."""

    offset_ns: int = 0
    drift: float = 0.0
    at: int = 0

    def moves(self, windows: Windows) -> Ints:
        """By how many ns to move each window to the kernels' clock."""
        import numpy as np

        moved: Ints = np.rint(self.offset_ns + self.drift * (windows.start - self.at)).astype(np.int64)
        return moved


def clock_of(windows: Windows, ran: Intervals, sampled: Floats, period: int) -> Clock:
    """The clock by stretches of the trace: one offset, and a drift where they agree on one."""
    import numpy as np

    stretches = list(_stretches(windows, ran, sampled))
    if not stretches:
        return Clock()
    found: dict[int, tuple[float, float]] = {}  # by middle of a stretch: offset, R2
    first = max(range(len(stretches)), key=lambda at: float(np.nanvar(sampled[stretches[at]])))
    for order in (range(first, len(stretches)), range(first, -1, -1)):
        near = found[first][0] if first in found else 0.0
        for at in order:
            if at not in found:
                part = stretches[at]
                fit = _fit(windows.of(part), _near(windows.of(part), ran, round(abs(near)) + 4 * period), sampled[part])
                found[at] = _best(fit, near, period, _REACH if not found else 1)
            near = found[at][0] if found[at][1] > _FIT else near
    good = [(at, offset, r2) for at, (offset, r2) in found.items() if r2 > _FIT]
    if not good:
        return Clock()
    middle = np.array([float(windows.start[stretches[at]].mean()) for at, _, _ in good])
    offset, weight = np.array([offset for _, offset, _ in good]), np.array([r2 for _, _, r2 in good])
    centre = float(np.average(middle, weights=weight))
    drift = 0.0
    if len(good) >= 3:
        slope = float(np.polyfit(middle - centre, offset, 1, w=weight)[0])
        rest = offset - np.average(offset, weights=weight) - slope * (middle - centre)
        spread = float(np.std(rest) / max(np.std(middle), 1) / np.sqrt(len(good)))
        if abs(slope) > 3 * spread and abs(slope) * np.ptp(middle) > period / 100:
            drift = slope
    return Clock(round(float(np.average(offset, weights=weight))), drift, round(centre))


def _stretches(windows: Windows, ran: Intervals, sampled: Floats) -> Iterator[slice]:
    """Evenly spread stretches of the time in which kernels ran."""
    import numpy as np

    kernels = ran.code < len(ran.names)
    if not kernels.any():
        return
    begin = int(np.searchsorted(windows.end, ran.start[kernels].min()))
    stop = min(int(np.searchsorted(windows.start, ran.end[kernels].max())), len(windows))
    number = min(max((stop - begin) // _STRETCH, 1), _STRETCHES)
    for at in np.linspace(begin, max(stop - _STRETCH, begin), number).astype(int).tolist():
        part = slice(at, min(at + _STRETCH, stop))
        if np.isfinite(sampled[part]).sum() > 2 and np.nanvar(sampled[part]) > 0:
            yield part


def _near(windows: Windows, ran: Intervals, reach: int) -> Intervals:
    """What ran in these windows, or so many ns away."""
    near = (ran.end > windows.start[0] - reach) & (ran.start < windows.end[-1] + reach)
    return replace(ran, start=ran.start[near], end=ran.end[near], code=ran.code[near])


def _fit(windows: Windows, ran: Intervals, sampled: Floats) -> Callable[[float], float]:
    """The R2 of a stretch as a function of the offset."""
    import numpy as np
    from scipy.optimize import nnls

    codes, compact = np.unique(ran.code, return_inverse=True)
    ran = replace(ran, code=compact)
    known = np.isfinite(sampled)

    def r2(offset: float) -> float:
        share = shares(windows.moved(round(offset)), ran, len(codes)).toarray()
        used = known & (share.sum(axis=1) > 0)
        of, value = share[used], sampled[used]
        whole = float(((value - value.mean()) ** 2).sum()) if len(value) > 2 else 0.0
        if not whole:
            return -1.0
        normal = of.T @ of + 1e-9 * len(of) * np.eye(len(codes))
        root = np.linalg.cholesky(normal)
        try:
            activity, _ = nnls(root.T, np.linalg.solve(root, of.T @ value), maxiter=30 * len(codes))
        except RuntimeError:  # no answer at this offset
            return -1.0
        return 1 - float(((value - of @ activity) ** 2).sum()) / whole

    return r2


def _best(r2: Callable[[float], float], near: float, period: int, reach: int) -> tuple[float, float]:
    """The best offset near another, and its R2: first on a grid, then within the best cell."""
    import numpy as np
    from scipy.optimize import minimize_scalar

    grid = near + np.arange(-10 * reach, 10 * reach + 1) * period / 10
    best = max(grid.tolist(), key=lambda offset: r2(offset) - _FAR * abs(offset - near) / period)
    step = period / 10
    found = minimize_scalar(lambda x: -r2(x), bounds=(best - step, best + step), options={"xatol": period / 500})
    return float(found.x), -float(found.fun)
