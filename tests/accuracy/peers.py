"""How public tools tell a Tensor Core kernel from its name: their lists, written anew, each with its source.

None of them names a precision, and none says "unknown": what a list doesn't match is no Tensor Core kernel.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Peer:
    """A tool, where its list stands (repository and file), and the list as a question."""

    name: str
    source: str
    uses_tensor_cores: Callable[[str], bool]


PYPROF_PARTS = (
    *("h884", "s884", "h1688", "s1688", "c1688", "16816", "i8816", "hmma"),
    *("xmma_implicit_gemm", "xmma_warp_specialized_implicit_gemm", "xmma_gemm", "xmma_sparse_gemm", "xmma_sparse_conv"),
    *("dgrad_1x1_stride_2x2", "first_layer_wgrad_kernel", "conv1x1", "conv2d_c1_k1", "direct_group"),
)
TRT_PERF_PARTS = ("xmma", "tensor", "tc", "cublaslt", "mma")
TREX = re.compile("imma|hmma|xmma|i88|884")
NSYS_AI = re.compile("xmma|mma_sync|16816|1688|884|ampere_bf16|sm80_tensor_op|tensorop|flash|nvjet")

PEERS = (
    Peer(
        "PyProf, kineto TensorBoard plugin, xprof",
        "pytorch/kineto tb_plugin/torch_tb_profiler/profiler/tensor_core.py",
        lambda name: any(part in name for part in PYPROF_PARTS),
    ),
    Peer(
        "nsys-ai",
        "GindaChen/nsys-ai src/nsys_ai/parquet_cache.py",
        lambda name: NSYS_AI.search(name.lower()) is not None,
    ),
    Peer(
        "TREx",
        "NVIDIA/TensorRT tools/experimental/trt-engine-explorer/trex/lint.py",
        lambda name: TREX.search(name) is not None,
    ),
    Peer(
        "trt-perf-analysis",
        "NVIDIA/TensorRT .agents/skills/trt-perf-analysis/scripts/trt_perf/data.py",
        lambda name: any(part in name.lower() for part in TRT_PERF_PARTS),
    ),
)
