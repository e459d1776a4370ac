# ruff: noqa: E501 - kernel names are as long as they are
"""One kernel, one canonical name: nsys's spelling, c++filt's, and what libraries wrap around a name."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tcscope.rulebook.normalize import canonical, short_name

# nsys export, c++filt, canonical. Both spellings were met for these kernels on one H100.
SPELLINGS = [
    (
        "void genericReformat::copyVectorizedKernel<double, __half, __half, (bool)1, (bool)0, (int)1>(unsigned int, const void *, genericReformat::ArrayN<T6>, float *)",
        "void genericReformat::copyVectorizedKernel<double, __half, __half, true, false, 1>(unsigned int, void const*, genericReformat::ArrayN<1>, float*)",
        "genericReformat::copyVectorizedKernel<double, __half, __half, true, false, 1>",
    ),
    (
        "void cuInt8::nhwcTonchw<float, (int)1, (int)8, (int)2>(const __half *, T1 *, int, int, int, int, int, int)",
        "void cuInt8::nhwcTonchw<float, 1, 8, 2>(__half const*, float*, int, int, int, int, int, int)",
        "cuInt8::nhwcTonchw<float, 1, 8, 2>",
    ),
    (
        "void at::native::<unnamed>::max_pool_forward_nhwc<c10::Half, int>(const T1 *, int, T2)",
        "void at::native::(anonymous namespace)::max_pool_forward_nhwc<c10::Half, int>(c10::Half const*, int, int)",
        "at::native::(anonymous namespace)::max_pool_forward_nhwc<c10::Half, int>",
    ),
    (
        "void X::permute<X::View<(unsigned char)0, (bool)0, (unsigned int)4, float, X::Small<float>>, (signed char)4>(X::Params)",
        "void X::permute<X::View<(unsigned char)0, false, 4u, float, X::Small<float> >, (signed char)4>(X::Params)",
        "X::permute<X::View<0, false, 4, float, X::Small<float>>, 4>",
    ),
    (
        "void at::native::vectorized_elementwise_kernel<(int)4, at::native::f(const at::Tensor &, double)::[lambda() (instance 1)]::operator ()() const::[lambda(float) (instance 1)], std::array<char *, (unsigned long)2>>(int, T2, T3)",
        "void at::native::vectorized_elementwise_kernel<4, at::native::f(at::Tensor const&, double)::{lambda()#1}::operator()() const::{lambda(float)#1}, std::array<char*, 2ul> >(int, std::array<char*, 2ul>)",
        "at::native::vectorized_elementwise_kernel<4, at::native::f(at::Tensor&, double)::{lambda()#1}::operator()()::{lambda(float)#1}, std::array<char*, 2>>",
    ),
    (
        "void cutlass::Kernel2<cutlass_80_tensorop_s1688gemm_64x128_32x3_tn_align4>(T1::Params)",
        "void cutlass::Kernel2<cutlass_80_tensorop_s1688gemm_64x128_32x3_tn_align4>(cutlass_80_tensorop_s1688gemm_64x128_32x3_tn_align4::Params)",
        "cutlass::Kernel2<cutlass_80_tensorop_s1688gemm_64x128_32x3_tn_align4>",
    ),
    (
        "std::enable_if<!(bool)0, void>::type internal::gemvx::kernel<int, int, float, float, float, float, (bool)0, (int)7>(T1)",
        "std::enable_if<!(false), void>::type internal::gemvx::kernel<int, int, float, float, float, float, false, 7>(Params)",
        "internal::gemvx::kernel<int, int, float, float, float, float, false, 7>",
    ),
]

WRAPPED = [
    ("trt_volta_h884cudnn_256x64_nhwc_tn_v1", "volta_h884cudnn_256x64_nhwc_tn_v1"),
    ("cudnn_infer_volta_h884cudnn_256x64_nhwc_tn_v1", "volta_h884cudnn_256x64_nhwc_tn_v1"),
    ("_5x_cudnn_volta_h884cudnn_256x64_nhwc_tn_v1", "volta_h884cudnn_256x64_nhwc_tn_v1"),
    ("sm80_xmma_gemm_ffma_execute_kernel__5x_cublas", "sm80_xmma_gemm_ffma"),
    ("sm80_xmma_fprop_tensor16x8x16_execute_kernel_trt", "sm80_xmma_fprop_tensor16x8x16"),
    ("sm90_xmma_fprop_g1_execute_segment_k_off_kernel__5x_cudnn", "sm90_xmma_fprop_g1"),
    ("sm75_xmma_fprop_tensor1688_execute_kernel_kernel_cudnn_infer", "sm75_xmma_fprop_tensor1688"),
    ("sm89_xmma_sparse_gemm_bias_bf16_execute_kernel_5x_cusparselt", "sm89_xmma_sparse_gemm_bias_bf16"),
    # The reduction behind a split-K kernel is another kernel: that part of the name stays.
    ("sm80_xmma_gemm_tensor16x8x16_execute_split_k_kernel_trt", "sm80_xmma_gemm_tensor16x8x16_execute_split_k_kernel"),
    # `trt_` inside or before an unknown word is part of the name.
    ("sm80_trt_conv_act_pool_v3_execute_kernel_trt", "sm80_trt_conv_act_pool_v3"),
    ("trt_llm_kernel", "trt_llm_kernel"),
    ("f<1>(int) [clone .isra.0]", "f<1>"),
]


@pytest.mark.parametrize(("nsys", "cxxfilt", "expected"), SPELLINGS)
def test_both_spellings_of_a_kernel_give_one_name(nsys: str, cxxfilt: str, expected: str) -> None:
    assert canonical(nsys) == expected
    assert canonical(cxxfilt) == expected


@pytest.mark.parametrize(("name", "expected"), WRAPPED)
def test_what_libraries_wrap_around_a_name_is_taken_off(name: str, expected: str) -> None:
    assert canonical(name) == expected


@pytest.mark.parametrize("name", ["f<(", "a)(b", "((", "", "void ", "f<g(int)>", "(anonymous namespace)"])
def test_cut_or_odd_names_survive(name: str) -> None:
    canonical(name)
    short_name(name)


@given(st.text(alphabet="abT1<>(),: *&[]{}#", max_size=60))
def test_no_text_breaks_it(name: str) -> None:
    assert isinstance(canonical(name), str)
    assert isinstance(short_name(name), str)


@pytest.mark.parametrize(
    ("name", "short"),
    [
        ("void at::native::f<c10::Half, (int)4>(const T1 *)", "f"),
        ("void at::native::<unnamed>::g<float>(T1)", "g"),
        ("ampere_sgemm_64x32_tn", "ampere_sgemm_64x32_tn"),
    ],
)
def test_short_name_is_the_functions_own_identifier(name: str, short: str) -> None:
    assert short_name(name) == short
