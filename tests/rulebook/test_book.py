"""The rulebook on real names: the families by name, the architecture's say, first match wins."""

from __future__ import annotations

from pathlib import Path

import pytest

from tcscope.model import Accumulate, Evidence, Op, Precision, Unit
from tcscope.rulebook import RuleBook

BOOK = RuleBook.builtin()
TC, CUDA = Unit.TENSOR_CORE, Unit.CUDA_CORE


@pytest.mark.parametrize(
    ("name", "rule", "unit", "precision"),
    [
        ("volta_h884cudnn_256x64_ldg8_relu_exp_small_nhwc_tn_v1", "cudnn-h884", TC, Precision.FP16),
        ("trt_volta_int8_i8816cudnn_int8_256x64_ldg16_relu_small_nt_v1", "cudnn-i8816", TC, Precision.INT8),
        ("volta_fp16x2_hcudnn_fp16x2_128x64_relu_interior_nn_v1", "cudnn-hcudnn", CUDA, Precision.FP16),
        ("volta_fp32_icudnn_int8x4_128x64_relu_small_nn_v1", "cudnn-icudnn", CUDA, Precision.INT8),
        ("volta_fp16_scudnn_fp16_128x64_relu_medium_nn_v1", "cudnn-scudnn", CUDA, Precision.FP32),
    ],
)
def test_the_five_families_of_the_course(name: str, rule: str, unit: Unit, precision: Precision) -> None:
    for spelling in (name, f"cudnn_infer_{name}", f"_5x_cudnn_{name.removeprefix('trt_')}"):
        verdict = BOOK.classify(spelling.replace("cudnn_infer_trt_", "trt_"), 75)
        assert (verdict.rule, verdict.unit, verdict.precision) == (rule, unit, precision)


def test_the_letter_is_the_accumulator_and_the_word_behind_the_shape_the_operand() -> None:
    verdict = BOOK.classify("ampere_fp16_s16816gemm_bf16_128x128_ldg8_f2f_tn", 80)
    assert (verdict.precision, verdict.accumulate, verdict.op) == (Precision.BF16, Accumulate.FP32, Op.GEMM)


SPLIT_K = "sm80_xmma_gemm_f16f16_f16f32_f32_nn_n_tilesize64x64x32_stage3_warpsize2x2x1_tensor16x8x16"


def test_the_steps_behind_a_matrix_kernel_keep_its_name_and_are_no_matrix_op() -> None:
    main = BOOK.classify(f"{SPLIT_K}_execute_kernel__5x_cublas", 80)
    reduction = BOOK.classify(f"{SPLIT_K}_execute_split_k_kernel__5x_cublas", 80)
    helper = BOOK.classify(f"{SPLIT_K}_execute_helper_kernel__5x_cublas", 80)

    assert (main.unit, main.op) == (TC, Op.GEMM)
    assert (reduction.unit, reduction.op) == (CUDA, Op.REDUCE)
    assert (helper.unit, helper.op) == (CUDA, Op.OTHER)


H884 = "void cutlass::Kernel<cutlass_70_tensorop_h884gemm_128x128_32x2_nn_align8>(T1::Params)"


def test_the_architecture_decides_what_h884_code_of_cutlass_is() -> None:
    assert BOOK.classify(H884, 75).unit is TC
    assert BOOK.classify(H884, 80).unit is CUDA

    unknown = BOOK.classify(H884)
    assert unknown.unit is Unit.UNKNOWN
    assert unknown.op is Op.GEMM
    assert "--sm" in unknown.note


def test_fp8_code_for_ada_runs_as_fp16_on_hopper() -> None:
    name = "sm89_xmma_gemm_e4m3bf16_e4m3f32_f32_tn_n_tilesize64x64x64_stage3_warpsize2x2x1_tensor16x8x32_kernel"
    assert [BOOK.classify(name, sm).precision for sm in (89, 90, 120)] == [
        Precision.FP8,
        Precision.FP16,
        Precision.FP8,
    ]
    without = BOOK.classify(name)
    assert (without.unit, without.precision) == (TC, Precision.UNKNOWN)


def test_a_gpu_without_tensor_cores_runs_nothing_on_them() -> None:
    assert BOOK.classify("volta_h884cudnn_256x64_ldg8_relu_exp_small_nhwc_tn_v1", 61).unit is CUDA


@pytest.mark.parametrize("name", ["tri_mm", "__myl_bb1_1_MulSumAdd", "_gemm_mha_v2", "matmul_kernel", "", "x" * 5000])
def test_what_a_name_cannot_say_stays_unknown(name: str) -> None:
    assert BOOK.classify(name, 90).unit is Unit.UNKNOWN


USER_RULES = """
schema: tcscope.rules/1
about: My own kernels.
rules:
  - id: my-conv
    title: My fused convolution
    match: {regex: '^my_conv_h884'}
    unit: tensor_core
    precision: fp16
    op: conv
    evidence: {level: documented, source: 'my_conv.cu: mma.sync'}
    examples: [{name: 'my_conv_h884cudnn_relu'}]
    counter_examples: [{name: 'your_conv_h884cudnn_relu', claimed_by: cudnn-h884}]
"""


def test_a_users_rules_come_before_the_built_in_ones(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(USER_RULES)

    book = RuleBook.load([tmp_path])

    assert book.classify("my_conv_h884cudnn_relu", 75).rule == "my-conv"
    assert book.classify("my_conv_h884cudnn_relu", 75).evidence is Evidence.DOCUMENTED
    assert book.classify("your_conv_h884cudnn_relu", 75).rule == "cudnn-h884"


def test_explain_names_the_winner_the_others_and_the_tokens() -> None:
    said = BOOK.explain("trt_ampere_h16816gemm_128x64_ldg8_relu_tn_v1", 86)

    assert said.canonical == "ampere_h16816gemm_128x64_ldg8_relu_tn_v1"
    assert said.rule is not None
    assert said.rule.id == "cudnn-hmma"
    assert said.rule not in said.also
    assert {"h16816", "ampere"} <= {meaning.token for meaning in said.tokens}
