// Kernels whose machine code is known: nvcc -fatbin -gencode arch=compute_80,code=sm_80 -gencode
// arch=compute_90,code=sm_90 -gencode arch=compute_100,code=compute_100 -o kernels.fatbin kernels.cu
#include <cuda_fp16.h>
#include <mma.h>

namespace mine {

// HMMA: FP16 multiplied, summed in FP32.
template <typename T>
__global__ void product(const T* a, const T* b, float* c) {
  using namespace nvcuda::wmma;
  fragment<matrix_a, 16, 16, 16, T, row_major> left;
  fragment<matrix_b, 16, 16, 16, T, col_major> right;
  fragment<accumulator, 16, 16, 16, float> sum;
  fill_fragment(sum, 0.f);
  load_matrix_sync(left, a, 16);
  load_matrix_sync(right, b, 16);
  mma_sync(sum, left, right, sum);
  store_matrix_sync(c, sum, 16, mem_row_major);
}
template __global__ void product<half>(const half*, const half*, float*);

namespace {
// None: one multiplication an element.
template <int N, typename T>
__global__ void scale(const T* a, T* out) {
  out[threadIdx.x] = a[threadIdx.x] * T(N);
}
}  // namespace
void launch(float* a, float* out) { scale<3, float><<<1, 32>>>(a, out); }

}  // namespace mine

// IMMA: INT8 multiplied, summed in INT32.
extern "C" __global__ void int8_product(const unsigned* a, int* c) {
  int d0 = 0, d1 = 0, d2 = 0, d3 = 0;
  asm("mma.sync.aligned.m16n8k32.row.col.s32.s8.s8.s32 {%0,%1,%2,%3},{%4,%5,%6,%7},{%8,%9},{%0,%1,%2,%3};"
      : "+r"(d0), "+r"(d1), "+r"(d2), "+r"(d3)
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(a[4]), "r"(a[5]));
  c[threadIdx.x] = d0 + d1 + d2 + d3;
}

// HMMA and IMMA: no one precision.
extern "C" __global__ void both_products(const unsigned* a, int* c) {
  int d0 = 0, d1 = 0, d2 = 0, d3 = 0;
  unsigned e0 = 0, e1 = 0;
  asm("mma.sync.aligned.m16n8k32.row.col.s32.s8.s8.s32 {%0,%1,%2,%3},{%4,%5,%6,%7},{%8,%9},{%0,%1,%2,%3};"
      : "+r"(d0), "+r"(d1), "+r"(d2), "+r"(d3)
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(a[4]), "r"(a[5]));
  asm("mma.sync.aligned.m16n8k16.row.col.f16.f16.f16.f16 {%0,%1},{%2,%3,%4,%5},{%6,%7},{%0,%1};"
      : "+r"(e0), "+r"(e1)
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(a[4]), "r"(a[5]));
  c[threadIdx.x] = d0 + d1 + d2 + d3 + e0 + e1;
}

// Packed arithmetic: HFMA2, spelled HFMA2.MMA on some architectures, and no matrix instruction.
extern "C" __global__ void packed(const half2* a, half2* out) {
  half2 x = a[threadIdx.x];
  for (int i = 0; i < 8; ++i) x = __hfma2(x, a[i], x);
  out[threadIdx.x] = x;
}

// dp4a: INT8 on CUDA cores.
extern "C" __global__ void dot(const int* a, int* out) { out[threadIdx.x] = __dp4a(a[0], a[1], a[threadIdx.x]); }

// What a pointer calls is not in the kernel's own code.
typedef int (*Function)(int);
extern "C" __global__ void calls(const Function* f, int* out) { out[threadIdx.x] = (*f)(out[threadIdx.x]); }
