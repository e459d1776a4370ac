"""The mixture taken apart: non-negative least squares, and how sure each part of the answer is.

    sample = sum over kernels of (share of the window x activity) + noise

Three things make an answer unsure. The noise is bootstrapped by blocks of neighbouring windows, which share the launch
at their border (Kuensch, 1989: The jackknife and the bootstrap for general stationary observations); each replicate is
one step from the estimate without the bounds, for at the bounds a bootstrap is too narrow: a kernel held at 0 holds its
neighbours still. And the matrix instructions of a kernel needn't begin and end with it, which noise doesn't show: how
far off they typically are is learnt from what the residuals tell of the kernels' edges (by the method of moments), and
each replicate moves every kernel's beginning and end by as much. And samples are whole percents, by a rounding that
nobody documents: each replicate shifts all of them by up to half a percent.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from numpy.random import Generator
    from scipy.sparse import csr_array

    from tcscope.sources.nsys.metrics import Floats

REPLICATES = 1000
_SEED = 20240229  # any number: the same trace must give the same report
_ROUNDED = 0.5  # percent
_BLOCKS = 400
_BLOCK = 8  # windows at least in a block: longer than any kernel of which there are many
_LONGEST_LAG = 3.0  # us
_CELLS = 20_000_000  # of windows and components, above which no window has a say that matters
_TINY = 1e-10  # of the largest eigenvalue: below it a direction is not there at all


@dataclass(frozen=True, slots=True)
class System:
    """The windows of one GPU: (windows x components) of shares and twice as many edges, and their sums over windows.

    `values` and `vectors` are the eigenvalues and eigenvectors of `normal`.
    """

    share: csr_array
    edge: csr_array
    normal: Floats
    cross: Floats
    edges: Floats
    values: Floats
    vectors: Floats

    @classmethod
    def of(cls, share: csr_array, edge: csr_array) -> System:
        """The system of these windows."""
        import numpy as np

        transposed = share.T.tocsr()
        normal, cross, edges = (
            product.toarray() for product in (transposed @ share, transposed @ edge, edge.T.tocsr() @ edge)
        )
        values, vectors = np.linalg.eigh(normal)
        return cls(share, edge, normal, cross, edges, np.maximum(values, max(_TINY * values[-1], 1e-12)), vectors)

    @property
    def inverse(self) -> Floats:
        """The inverse of the normal matrix, as far as it has one."""
        found: Floats = (self.vectors / self.values) @ self.vectors.T
        return found


@dataclass(frozen=True, slots=True)
class Solution:
    """The activity of each component in percent, and (replicates x components) by how much it may be wrong.

    `inflation` is by how much the others beside it widen the error of each. `explained` is what each window should have
    shown, `lag_us` how far the edges of activities typically are off those of their launches.
    """

    activity: Floats
    errors: Floats
    inflation: Floats
    explained: Floats
    r2: float
    lag_us: float


def solve(system: System, sampled: Floats) -> Solution:
    """Take a metric apart. `sampled` has a value in percent for each window."""
    import numpy as np

    activity = _bounded(system, system.share.T @ sampled)
    explained = system.share @ activity
    rest = sampled - explained
    whole = float(((sampled - sampled.mean()) ** 2).sum())
    inverse = system.inverse
    lag = _lag_us(system, inverse, activity, rest)
    random = np.random.default_rng(_SEED)
    errors = _noise(system, inverse, rest, random) + _lags(system, inverse, activity, lag, random)
    errors += random.uniform(-_ROUNDED, _ROUNDED, (REPLICATES, 1)) * (
        inverse @ (system.share.T @ np.ones(len(sampled)))
    )
    inflation = np.diag(system.normal) * np.diag(inverse)
    return Solution(activity, errors, inflation, explained, 1 - float(rest @ rest) / whole if whole else 0.0, lag)


def _bounded(system: System, told: Floats) -> Floats:
    """The least squares solution between 0 and 100, from the normal equations."""
    import numpy as np
    from scipy.optimize import lsq_linear, nnls

    scale = np.sqrt(system.values)
    root, target = scale[:, None] * system.vectors.T, system.vectors.T @ told / scale
    try:
        found: Floats = nnls(root, target, maxiter=30 * len(told))[0]
    except RuntimeError:  # it went in circles, between kernels that are nearly one
        found = np.full(len(told), np.inf)
    if found.max(initial=0) > 100:
        found = lsq_linear(root, target, bounds=(0, 100)).x
    return found


def _lag_us(system: System, inverse: Floats, activity: Floats, rest: Floats) -> float:
    """How far the edges of activities are off, as a standard deviation.

    With q what the edges tell of the residuals and P the edges beside the shares, E[q q'] = noise P + lag^2 P P, from
    whose traces the lag follows.
    """
    import numpy as np

    number, columns = system.share.shape
    size = np.tile(activity, 2)
    told = (system.edge.T @ rest) * size
    beside = (system.edges - system.cross.T @ inverse @ system.cross) * np.outer(size, size)
    whole = float((beside**2).sum())
    if not whole:
        return 0.0
    noise = float(rest @ rest) / max(number - columns, 1)
    found = (float(told @ told) - noise * float(np.trace(beside))) / whole
    return min(float(np.sqrt(max(found, 0.0))), _LONGEST_LAG)


def _lags(system: System, inverse: Floats, activity: Floats, lag: float, random: Generator) -> Floats:
    """(replicates x components): the errors where the edges of each activity are off by other amounts."""
    import numpy as np

    drawn = lag * random.standard_normal((REPLICATES, 2 * len(activity)))
    found: Floats = drawn @ (system.cross * np.tile(activity, 2)).T @ inverse
    return found


def _noise(system: System, inverse: Floats, rest: Floats, random: Generator) -> Floats:
    """(replicates x components): the errors from resampled blocks of windows, wider where few blocks hold a kernel."""
    import numpy as np
    from scipy.sparse import csr_array
    from scipy.special import stdtrit

    share = system.share
    number, columns = share.shape
    if number * columns <= _CELLS:  # windows that pull the fit towards them have residuals that are too small
        rest = rest / (1 - np.minimum((share @ inverse * share.toarray()).sum(axis=1), 0.9))
    length = max(_BLOCK, -(-number // _BLOCKS))
    blocks = -(-number // length)
    at = (np.arange(number) // length, np.arange(number))
    scores = (csr_array((rest, at), shape=(blocks, number)) @ share).toarray()
    drawn = random.multinomial(blocks, np.full(blocks, 1 / blocks), REPLICATES) - 1.0
    ran = (csr_array((np.ones(number), at), shape=(blocks, number)) @ share > 0).sum(axis=0)
    few = stdtrit(np.maximum(ran - 1, 1), 0.975) / stdtrit(1e6, 0.975)  # Student's t beside the normal distribution
    found: Floats = drawn @ scores @ inverse * np.sqrt(blocks / max(blocks - 1, 1)) * few
    return found
