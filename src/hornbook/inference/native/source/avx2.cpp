// AVX2 with FMA and F16C: products of bytes are summed in pairs of 16 bits.
#include "kernels.h"

#if defined(__x86_64__)
#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2,fma,f16c"))), apply_to = function)
#else
#pragma GCC target("avx2,fma,f16c")
#endif
#include <immintrin.h>

#include <cmath>

#define NAME "avx2"

namespace hornbook {
namespace {

constexpr int PANEL = 4, TILES = 1, QUERIES = 4;
#include "wide.inl"

struct A4 {
  __m256i v;  // 16 bits: 8 steps of 2 * 15 * 127 are 30,480 at most
};
using A8 = I;

static inline __m256i pairs(__m256i x) { return _mm256_madd_epi16(x, _mm256_set1_epi16(1)); }
static inline A4 begin4(int32_t) { return {_mm256_setzero_si256()}; }
static inline A4 begin4(int32_t, I) { return {_mm256_setzero_si256()}; }
static inline A4 dot4(A4 sum, U w, const int8_t* x, int index) {
  return {_mm256_add_epi16(sum.v, _mm256_maddubs_epi16(w.v, four(x, index)))};
}
static inline I end4(A4 sum, int32_t minus) {
  return {_mm256_add_epi32(pairs(sum.v), _mm256_set1_epi32(minus * 8))};
}
static inline I end4(A4 sum, int32_t minus, I points) {
  return {_mm256_add_epi32(pairs(sum.v), _mm256_mullo_epi32(_mm256_set1_epi32(minus), points.v))};
}
// Bytes up to 255 would overflow 16 bits: the weight's absolute value, up to 128, times x with the weight's sign.
static inline A8 begin8(int32_t) { return {_mm256_setzero_si256()}; }
static inline A8 dot8(A8 sum, U w, const int8_t* x, int index) {
  const __m256i number = _mm256_xor_si256(w.v, _mm256_set1_epi8(-128));
  const __m256i product = _mm256_maddubs_epi16(_mm256_abs_epi8(number), _mm256_sign_epi8(four(x, index), number));
  return {_mm256_add_epi32(sum.v, pairs(product))};
}
static inline I end8(A8 sum) { return sum; }

#include "kernels.inl"

}  // namespace

const Kernels* avx2_kernels() { return &kTable; }

}  // namespace hornbook
#if defined(__clang__)
#pragma clang attribute pop
#endif
#else
namespace hornbook {
const Kernels* avx2_kernels() { return nullptr; }
}  // namespace hornbook
#endif
