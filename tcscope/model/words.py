"""The vocabulary of tcscope: closed sets of words, the same in code, command line and JSON."""

from __future__ import annotations

from enum import Enum


class Word(str, Enum):
    """A closed vocabulary whose members are, print and serialise as their plain text."""

    __str__ = str.__str__


class Unit(Word):
    """Where a kernel's arithmetic ran. `tensor_core`: it issues matrix instructions; `cuda_core`: it issues none."""

    TENSOR_CORE = "tensor_core"
    CUDA_CORE = "cuda_core"
    UNKNOWN = "unknown"


class Precision(Word):
    """Type of the multiplied operands of a matrix kernel; of any other kernel, the element type if its name says it."""

    FP64 = "fp64"
    FP32 = "fp32"
    TF32 = "tf32"
    BF16 = "bf16"
    FP16 = "fp16"
    FP8 = "fp8"
    FP6 = "fp6"
    FP4 = "fp4"
    INT8 = "int8"
    INT4 = "int4"
    INT1 = "int1"
    MIXED = "mixed"
    UNKNOWN = "unknown"


class Accumulate(Word):
    """Type of a matrix kernel's accumulator."""

    FP64 = "fp64"
    FP32 = "fp32"
    FP16 = "fp16"
    INT32 = "int32"


class Op(Word):
    """What a kernel computes."""

    GEMM = "gemm"
    CONV = "conv"
    ATTENTION = "attention"
    DEPTHWISE_CONV = "depthwise_conv"
    POOL = "pool"
    NORM = "norm"
    SOFTMAX = "softmax"
    ELEMENTWISE = "elementwise"
    REDUCE = "reduce"
    REFORMAT = "reformat"
    COPY = "copy"
    INDEX = "index"
    SORT = "sort"
    SCAN = "scan"
    RNG = "rng"
    FFT = "fft"
    COMMUNICATION = "communication"
    OTHER = "other"
    UNKNOWN = "unknown"

    @property
    def is_matrix(self) -> bool:
        """Whether Tensor Cores could take this work: the op is *eligible*."""
        return self in MATRIX_OPS


MATRIX_OPS = frozenset({Op.GEMM, Op.CONV, Op.ATTENTION})


class Evidence(Word):
    """How a verdict is known, best first."""

    COUNTER = "counter"
    SASS = "sass"
    SAMPLED = "sampled"
    DOCUMENTED = "documented"
    NAMED = "named"
    GUESSED = "guessed"
    NONE = "none"


class Dtype(Word):
    """Type of the elements of a tensor in memory, as a reformat reads or writes them."""

    FP64 = "fp64"
    FP32 = "fp32"
    BF16 = "bf16"
    FP16 = "fp16"
    FP8 = "fp8"
    FP4 = "fp4"
    INT64 = "int64"
    INT32 = "int32"
    INT16 = "int16"
    INT8 = "int8"
    UINT8 = "uint8"
    INT4 = "int4"
    BOOL = "bool"


class Level(Word):
    """How much a finding should worry the reader."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"
