// AVX-512 with products of bfloat16, for tensors that are bfloat16: weights and what flows back are rounded to it.
#include "attention.h"

#if defined(__x86_64__) && (defined(__clang__) || __GNUC__ >= 10)
#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2,fma,avx512f,avx512bw,avx512vl,avx512dq,avx512bf16"))), apply_to = function)
#else
#pragma GCC target("avx2,fma,avx512f,avx512bw,avx512vl,avx512dq,avx512bf16")
#endif

#include <immintrin.h>

#define NAME "avx512_bf16"

namespace hornbook {
namespace {
constexpr int LANES = 16, VECTORS = 4;
#include "vectors.inl"

typedef uint32_t Number;  // two bfloat16, the first one low
typedef Bits Numbers;
constexpr int PAIR = 2;

static inline Floats multiplied(Floats sum, Number x, Numbers y) {
  return (Floats)_mm512_dpbf16_ps((__m512)sum, (__m512bh)_mm512_set1_epi32(x), (__m512bh)y);
}

// Neighbours in a row are one number.
static const Number* rows_of(const float* x, int64_t count, int64_t width, Number* into) {
  for (int64_t i = 0; i < count * width; i += LANES)
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(reinterpret_cast<uint16_t*>(into) + i),
                        (__m256i)_mm512_cvtneps_pbh(_mm512_loadu_ps(x + i)));
  return into;
}

// Neighbours in a column are one number.
static const Number* pairs_of(const float* x, int64_t count, int64_t width, Number* into) {
  for (int64_t i = 0; i < count; i += PAIR, x += PAIR * width, into += width)
    for (int64_t j = 0; j < width; j += LANES) {
      const __m512i low = _mm512_cvtepu16_epi32((__m256i)_mm512_cvtneps_pbh(_mm512_loadu_ps(x + j)));
      const __m512i high = _mm512_cvtepu16_epi32((__m256i)_mm512_cvtneps_pbh(_mm512_loadu_ps(x + width + j)));
      _mm512_storeu_si512(into + j, _mm512_or_si512(low, _mm512_slli_epi32(high, 16)));
    }
  return into - count / PAIR * width;
}

#include "blocks.inl"
#include "attention.inl"
}  // namespace

const AttentionKernels* avx512_bf16_attention() { return &kTable; }

}  // namespace hornbook
#if defined(__clang__)
#pragma clang attribute pop
#endif
#else
namespace hornbook {
const AttentionKernels* avx512_bf16_attention() { return nullptr; }
}  // namespace hornbook
#endif
