"""How far outputs lie from those in FP32, as sums that add up over batches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import isfinite, log10, sqrt

import numpy as np

from tcscope.sensitivity.int8 import Array

_CHANNELS_LAST = (
    3  # up to this rank the classes lie along the last axis, as in N x C and N x T x C; beyond it along axis 1
)


@dataclass
class OutputSums:
    """An output: the powers of FP32's values, of the difference and of the new values, and the product of both."""

    signal: float = 0.0
    noise: float = 0.0
    power: float = 0.0
    product: float = 0.0

    def add(self, other: OutputSums) -> None:
        """Take another batch in."""
        self.signal += other.signal
        self.noise += other.noise
        self.power += other.power
        self.product += other.product

    @property
    def ratio(self) -> float:
        """The noise over the signal."""
        return self.noise / self.signal if self.signal else float(self.noise > 0)

    @property
    def cosine(self) -> float:
        """The cosine between FP32's values and the new ones."""
        both = sqrt(self.signal) * sqrt(self.power)
        return max(-1.0, min(1.0, self.product / both)) if both else float(self.signal == self.power)


@dataclass
class Sums:
    """All outputs of some batches. `same` of `classes` largest classes are equal; `broken` values were not finite."""

    outputs: dict[str, OutputSums] = field(default_factory=dict)
    max_error: float = 0.0
    same: int = 0
    classes: int = 0
    broken: int = 0

    def add(self, other: Sums) -> None:
        """Take another batch in."""
        for name, sums in other.outputs.items():
            self.outputs.setdefault(name, OutputSums()).add(sums)
        self.max_error = max(self.max_error, other.max_error)
        self.same += other.same
        self.classes += other.classes
        self.broken += other.broken

    @property
    def ratio(self) -> float:
        """The mean over the outputs of noise over signal: SQNR is -10 log10 of it."""
        return sum(sums.ratio for sums in self.outputs.values()) / max(len(self.outputs), 1)

    @property
    def cosine(self) -> float | None:
        """The mean cosine over the outputs; None where none is floating-point."""
        return sum(sums.cosine for sums in self.outputs.values()) / len(self.outputs) if self.outputs else None

    @property
    def top1(self) -> float | None:
        """The share of equal largest classes; None where no output has classes."""
        return self.same / self.classes if self.classes else None


def decibels(ratio: float) -> float | None:
    """SQNR of a noise over a signal; None where there is no noise."""
    return -10 * log10(ratio) if ratio > 0 else None


def compared(reference: Mapping[str, Array], new: Mapping[str, Array], names: Sequence[str]) -> Sums:
    """The sums of one batch of outputs. Whole numbers count as classes themselves."""
    sums = Sums()
    for name in names:
        base, now = reference[name], new[name]
        if base.dtype.kind != "f":
            sums.same += int((base == now).sum())
            sums.classes += base.size
            continue
        bad = ~np.isfinite(now)
        if bad.any():
            sums.broken += int(bad.sum())
            now = np.where(bad, 0, now)
        sums.outputs[name], largest = _difference(base, now)
        sums.max_error = max(sums.max_error, largest)
        axis = -1 if base.ndim <= _CHANNELS_LAST else 1
        if base.ndim > 1 and base.shape[axis] > 1:
            equal = base.argmax(axis=axis) == now.argmax(axis=axis)
            sums.same += int(equal.sum())
            sums.classes += equal.size
    return sums


def _difference(base: Array, now: Array) -> tuple[OutputSums, float]:
    a, b = base.ravel().astype(np.float64), now.ravel().astype(np.float64)
    apart = b - a
    powers = (float(one @ other) for one, other in ((a, a), (apart, apart), (b, b), (a, b)))
    return OutputSums(*powers), float(np.abs(apart).max(initial=0.0))


def noise_of(base: Array, now: Array) -> float:
    """The power of the difference of two tensors."""
    if base.dtype.kind != "f":
        return float((base != now).sum())
    with np.errstate(invalid="ignore"):  # of two infinities, which _square leaves out
        apart = _wide(now) - _wide(base)
    return _square(apart)


def power_of(values: Array) -> float:
    """The power of a tensor."""
    return _square(_wide(values)) if values.dtype.kind == "f" else float(values.size)


def _wide(values: Array) -> Array:
    """The values in a type that holds the sum of their squares: in half precision that ends at 65504."""
    return values.astype(np.float32) if values.dtype == np.float16 else values


def _square(values: Array) -> float:
    """The sum of the squares, in FP64 where they need it; without what is not finite."""
    flat = values.ravel()
    with np.errstate(over="ignore"):
        found = float(np.dot(flat, flat))
    if isfinite(found):
        return found
    wide = np.nan_to_num(flat.astype(np.float64), nan=0, posinf=0, neginf=0)
    return float(np.dot(wide, wide))
