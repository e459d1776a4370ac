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

_TYPED = ("value", "to", "dtype")  # attributes of Constant, Cast and others that hold an element type


def session(model: onnx.ModelProto) -> Any:
    """A session that runs `model`. One thread each: the numbers don't depend on `--jobs`, and jobs run side by side."""
    import onnxruntime

    onnxruntime.set_default_logger_severity(_QUIET)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = _QUIET
    if _holds_halves(model):  # onnxruntime 1.23 ends the process over its layouts of FP16, which gain nothing on a CPU
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    options.add_session_config_entry("session.disable_quant_qdq", "1")  # Q/DQ as they stand, not as integer kernels
    return onnxruntime.InferenceSession(
        model.SerializeToString(),
        options,
        providers=["CPUExecutionProvider"],
        disabled_optimizers=_WRONG,
        enable_fallback=0,  # a second try on the same CPU, announced on stdout
    )


def _holds_halves(model: onnx.ModelProto) -> bool:
    """Whether FP16 goes into a network, lies in it, or is made in it."""
    graph = model.graph
    types = {value.type.tensor_type.elem_type for value in graph.input} | {held.data_type for held in graph.initializer}
    for node in graph.node:
        types |= {one.t.data_type if one.name == "value" else one.i for one in node.attribute if one.name in _TYPED}
    return onnx.TensorProto.FLOAT16 in types


def cores() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
