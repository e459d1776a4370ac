"""Engines made by hand: reports of layers, for what compares them."""

from __future__ import annotations

from hypothesis import strategies as st

from tcscope.model import (
    Iterations,
    Layer,
    Layering,
    LayerKernel,
    Op,
    Precision,
    Report,
    Tensor,
    TensorShare,
    Totals,
    TraceInfo,
    Unit,
)
from tests.support.reports import H100


def ran(
    name: str, ns: int, unit: Unit = Unit.TENSOR_CORE, precision: Precision = Precision.FP16, op: Op = Op.CONV
) -> LayerKernel:
    """A kernel that ran once."""
    return LayerKernel(name, unit, precision, op, 1, ns)


def pad(ns: int) -> LayerKernel:
    """TensorRT's padding of a bias, beside a convolution."""
    return ran("nvinfer1::rt::cuda::padBiasWeights<float, 32>", ns, Unit.CUDA_CORE, Precision.FP32, Op.REFORMAT)


def layer(name: str, *kernels: LayerKernel, shape: tuple[int, ...] = (), kind: str = "", origin: str = "") -> Layer:
    """A layer of these kernels; the longest matrix kernel is its main one."""
    main = max(kernels, key=lambda kernel: (kernel.op.is_matrix, kernel.ns))
    return Layer(
        name,
        kind,
        main.unit,
        main.precision,
        sum(kernel.launches for kernel in kernels),
        sum(kernel.ns for kernel in kernels),
        kernels,
        op=main.op,
        origin=origin,
        outputs=(Tensor("out", dims=shape),) if shape else (),
    )


def conv(name: str, ns: int, tactic: str = "xmma_fp16", **fields: tuple[int, ...]) -> Layer:
    """An FP16 convolution on Tensor Cores."""
    return layer(name, ran(tactic, ns), **fields)  # type: ignore[arg-type]


def int8(name: str, ns: int, *beside: LayerKernel, unit: Unit = Unit.TENSOR_CORE) -> Layer:
    """An INT8 convolution, with what runs beside it."""
    return layer(name, ran("xmma_int8", ns, unit, Precision.INT8), *beside)


def reformat(name: str, ns: int, **fields: str) -> Layer:
    """A reformat layer."""
    return layer(name, ran("copyPackedKernel", ns, Unit.CUDA_CORE, Precision.UNKNOWN, Op.REFORMAT), **fields)  # type: ignore[arg-type]


def pool(name: str, ns: int) -> Layer:
    """A pooling layer."""
    return layer(name, ran("xmma_pooling", ns, Unit.CUDA_CORE, Precision.UNKNOWN, Op.POOL))


def engine(*layers: Layer, outside: tuple[LayerKernel, ...] = (), count: int | None = 1) -> Report:
    """A report of these layers in one or more inferences."""
    whole = sum(one.ns for one in layers) + sum(kernel.ns for kernel in outside)
    launches = sum(one.launches for one in layers) + sum(kernel.launches for kernel in outside)
    return Report(
        TraceInfo("t.sqlite", tool="Nsight Systems 2025.3", devices=(H100,)),
        Totals(launches, whole),
        TensorShare(),
        layers=layers,
        layering=Layering("layer", outside, sum(kernel.ns for kernel in outside)),
        iterations=None if count is None else Iterations("inference", count, wall_ns=0, kernel_ns=whole),
    )


WORDS = ["Conv_0", "Conv_1 + Relu_2", "/a/Conv", "/a/Conv + /b/Relu", "/b/Relu", "Identity_0", "fc", "QuantizeLinear_3",
         "Reformatting CopyNode for Input Tensor 0 to /a/Conv", "/a/Conv + /c/Add + /b/Relu", "/c/Add"]  # fmt: skip
KERNELS = st.builds(
    LayerKernel,
    st.sampled_from(["k", "l", "nvinfer1::rt::cuda::padBiasWeights<float, 32>", ""]),
    st.sampled_from(Unit),
    st.sampled_from([Precision.INT8, Precision.FP16, Precision.UNKNOWN]),
    st.sampled_from([Op.CONV, Op.GEMM, Op.POOL, Op.REFORMAT, Op.COPY, Op.UNKNOWN]),
    st.integers(0, 60),
    st.integers(0, 10**6),
)
LAYERS = st.builds(
    lambda name, kernels, shape: layer(name, *kernels, shape=shape),
    st.sampled_from(WORDS),
    st.lists(KERNELS, min_size=1, max_size=3),
    st.sampled_from([(), (1, 8, 4, 4), (1, 16, 2, 2)]),
)
ENGINES = st.builds(
    lambda layers, outside, count: engine(*layers, outside=tuple(outside), count=count),
    st.lists(LAYERS, max_size=8),
    st.lists(KERNELS, max_size=3),
    st.none() | st.integers(1, 40),
)
