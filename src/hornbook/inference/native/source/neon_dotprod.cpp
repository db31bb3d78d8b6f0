// NEON with the dot product of Armv8.2: sums of four products of bytes in one instruction.
#include "kernels.h"

// Clang has the instruction without a flag for it from 16 on; on Apple's processors it needs none.
#if defined(__aarch64__) && (defined(__ARM_FEATURE_DOTPROD) || !defined(__clang__) || __clang_major__ >= 16)
#include <arm_neon.h>

#include <cmath>

#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("dotprod"))), apply_to = function)
#else
#pragma GCC target("arch=armv8.2-a+dotprod")
#endif

#define NAME "neon-dotprod"

namespace hornbook {
namespace {

constexpr int PANEL = 4, TILES = 1, QUERIES = 4;
#include "neon.inl"

using A4 = I;
using A8 = I;

// Which of the 16 activations is part of the instruction.
static inline int32x4_t dot(int32x4_t sum, uint8x16_t w, int8x16_t x, int which) {
  const int8x16_t n = vreinterpretq_s8_u8(w);
  switch (which) {
    case 0: return vdotq_laneq_s32(sum, n, x, 0);
    case 1: return vdotq_laneq_s32(sum, n, x, 1);
    case 2: return vdotq_laneq_s32(sum, n, x, 2);
    default: return vdotq_laneq_s32(sum, n, x, 3);
  }
}
static inline A4 begin4(int32_t minus) { return all(minus * 8); }
static inline A4 begin4(int32_t minus, I points) { return times(points, minus); }
static inline A4 dot4(A4 sum, U w, const int8_t* x, int index) {
  const int8x16_t those = sixteen(x, index);
  return {dot(sum.a, w.a, those, index % 4), dot(sum.b, w.b, those, index % 4)};
}
static inline I end4(A4 sum, int32_t) { return sum; }
static inline I end4(A4 sum, int32_t, I) { return sum; }
static inline A8 begin8(int32_t) { return all(0); }
static inline A8 dot8(A8 sum, U w, const int8_t* x, int index) { return dot4(sum, centred(w), x, index); }
static inline I end8(A8 sum) { return sum; }

#include "kernels.inl"

}  // namespace

const Kernels* neon_dotprod_kernels() { return &kTable; }

}  // namespace hornbook
#if defined(__clang__)
#pragma clang attribute pop
#endif
#else
namespace hornbook {
const Kernels* neon_dotprod_kernels() { return nullptr; }
}  // namespace hornbook
#endif
