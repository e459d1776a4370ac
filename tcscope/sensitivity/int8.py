"""TensorRT's INT8 in floating point: symmetric, weights per output channel, activations per tensor.

What is computed is what QuantizeLinear and DequantizeLinear make of a tensor: the value over the scale, rounded to the
nearest with ties to even, clamped to [-128, 127] and multiplied by the scale.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
LARGEST = 127


def scale_of(clip: float) -> float:
    """The scale that makes `clip` the largest value; 1 for a tensor of zeros, as in TensorRT."""
    scale = np.float32(clip) / np.float32(LARGEST)
    return float(scale) if scale > 0 and np.isfinite(scale) else 1.0


def rounded(values: Array, scale: Array | float) -> Array:
    """`values` through INT8 and back, in their own type."""
    step = np.asarray(scale, dtype=np.float32)
    whole = np.asarray(values, dtype=np.float32) / step
    np.rint(whole, out=whole)
    np.clip(whole, -LARGEST - 1, LARGEST, out=whole)
    whole *= step
    return whole.astype(values.dtype, copy=False)


def weight_scales(weight: Array, axis: int | None) -> Array:
    """The largest magnitude of each output channel over 127, in a shape that broadcasts; of one, without an axis."""
    others = tuple(at for at in range(weight.ndim) if at != axis)
    largest = np.abs(weight.astype(np.float32, copy=False)).max(
        axis=others if axis is not None else None, keepdims=True
    )
    scales = largest / np.float32(LARGEST)
    return np.where(scales > 0, scales, np.float32(1)).astype(np.float32)
