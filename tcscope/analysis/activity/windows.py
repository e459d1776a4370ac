"""Sample windows, and the share of each in which each kernel ran: the matrix of the mixture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from scipy.sparse import csr_array

    from tcscope.sources.nsys.metrics import Intervals
    from tcscope.sources.nsys.rows import Ints

_GAP = 1.5  # periods between two samples, beyond which one was dropped
_AT_ONCE = 1_000_000  # launches; bounds the memory of one step


@dataclass(frozen=True, slots=True)
class Windows:
    """Windows in ns, ascending and without overlap: sample i tells of [start[i], end[i])."""

    start: Ints
    end: Ints

    def __len__(self) -> int:
        return len(self.start)

    def of(self, which: slice | Ints) -> Windows:
        """Some of the windows."""
        return Windows(self.start[which], self.end[which])

    def moved(self, ns: Ints | int) -> Windows:
        """The windows moved by ns, all alike or each by its own."""
        return Windows(self.start + ns, self.end + ns)


def windows_of(timestamps: Ints) -> tuple[Windows, int]:
    """A window for each sample, and the period in ns. A sample stands at the start of its window: so the offset is 0 on
    the H100s that were measured. After a dropped sample the window is one period, not two.
    """
    import numpy as np

    step = np.diff(timestamps)
    period = max(int(np.median(step)), 1)
    length = np.append(np.where(step <= _GAP * period, step, period), period)
    return Windows(timestamps, timestamps + length), period


def shares(windows: Windows, ran: Intervals, columns: int) -> csr_array:
    """(windows x columns) of the share of each window in which each component ran; overlapping launches add up."""
    import numpy as np
    from scipy.sparse import csr_array

    total = csr_array((len(windows), columns))
    length = (windows.end - windows.start).astype(np.float64)
    for first in range(0, len(ran.start), _AT_ONCE):
        part = slice(first, first + _AT_ONCE)
        start, end, code = ran.start[part], ran.end[part], ran.code[part]
        begin = np.searchsorted(windows.end, start, side="right")
        number = np.maximum(np.searchsorted(windows.start, end, side="left") - begin, 0)
        launch = np.repeat(np.arange(len(start)), number)
        row = np.arange(len(launch)) - np.repeat(np.cumsum(number) - number, number) + begin[launch]
        overlap = np.minimum(end[launch], windows.end[row]) - np.maximum(start[launch], windows.start[row])
        total = total + csr_array((overlap / length[row], (row, code[launch])), shape=total.shape)
    return total


def edges(windows: Windows, ran: Intervals, share: csr_array) -> csr_array:
    """(windows x 2 columns) by how much a sample changes where a component's activity (of 1) begins a microsecond
    later and, in the second half, ends a microsecond later; in sum it stays the same, for it is taken from or given to
    the rest of the component's time. `share` is that of these windows.
    """
    import numpy as np
    from scipy.sparse import csr_array, diags_array, hstack

    length = (windows.end - windows.start) / 1e3
    halves = []
    for times, sign in ((ran.start, -1.0), (ran.end, 1.0)):
        total = csr_array(share.shape)
        for first in range(0, len(times), _AT_ONCE):
            part = slice(first, first + _AT_ONCE)
            row = np.searchsorted(windows.start, times[part], side="right") - 1
            inside = (row >= 0) & (times[part] < windows.end[np.maximum(row, 0)])
            row, code = row[inside], ran.code[part][inside]
            total = total + csr_array((sign / length[row], (row, code)), shape=share.shape)
        of = np.maximum(share.T @ np.ones(len(windows)), 1e-12)
        halves.append(total - share @ diags_array((total.T @ np.ones(len(windows))) / of))
    return csr_array(hstack(halves, format="csr"))
