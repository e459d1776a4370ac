"""ONNX Runtime's sessions, the same on every machine: one thread each, on the CPU, nothing printed."""

from __future__ import annotations

import os
from typing import Any

import onnx

_QUIET = 4  # fatal alone: errors are raised as well
# What onnxruntime 1.32 gets wrong, found by random networks held against plain arithmetic:
_WRONG = [
    "MatmulTransposeFusion",  # a Transpose before a product with a vector: other numbers
    "MatMul_BatchNormalization_Fusion",  # a sound network is refused: "Failed to find node output"
    "TransposeOptimizer",  # a tensor that a Transpose leads to Q/DQ nodes reaches its other readers rounded as well
    "TransposeOptimizer_CPUExecutionProvider",
]


def session(model: onnx.ModelProto) -> Any:
    """A session that runs `model`. One thread each: the numbers don't depend on `--jobs`, and jobs run side by side."""
    import onnxruntime

    onnxruntime.set_default_logger_severity(_QUIET)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = _QUIET
    options.add_session_config_entry("session.disable_quant_qdq", "1")  # Q/DQ as they stand, not as integer kernels
    return onnxruntime.InferenceSession(
        model.SerializeToString(),
        options,
        providers=["CPUExecutionProvider"],
        disabled_optimizers=_WRONG,
        enable_fallback=0,  # a second try on the same CPU, announced on stdout
    )


def cores() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
