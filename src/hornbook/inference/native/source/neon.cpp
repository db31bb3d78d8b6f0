// NEON as every AArch64 processor has it: products of bytes are 16 bits wide.
#include "kernels.h"

#if defined(__aarch64__)
#include <arm_neon.h>

#include <cmath>

#define NAME "neon"

namespace hornbook {
namespace {

constexpr int PANEL = 3, TILES = 1, QUERIES = 3;
#include "neon.inl"

struct A4 {
  int16x8_t v[4];  // two rows each: 8 steps of 15 * 127 are 15,240 at most
};
struct A8 {
  int32x4_t v[4];  // two rows each
};

// Four activations, four times.
static inline int8x16_t four(const int8_t* x, int index) {
  const int32x4_t those = vreinterpretq_s32_s8(sixteen(x, index));
  switch (index % 4) {
    case 0: return vreinterpretq_s8_s32(vdupq_laneq_s32(those, 0));
    case 1: return vreinterpretq_s8_s32(vdupq_laneq_s32(those, 1));
    case 2: return vreinterpretq_s8_s32(vdupq_laneq_s32(those, 2));
    default: return vreinterpretq_s8_s32(vdupq_laneq_s32(those, 3));
  }
}
static inline A4 begin4(int32_t) { return {{vdupq_n_s16(0), vdupq_n_s16(0), vdupq_n_s16(0), vdupq_n_s16(0)}}; }
static inline A4 begin4(int32_t minus, I) { return begin4(minus); }
static inline A4 dot4(A4 sum, U w, const int8_t* x, int index) {
  const int8x16_t a = vreinterpretq_s8_u8(w.a), b = vreinterpretq_s8_u8(w.b), those = four(x, index);
  return {{vmlal_s8(sum.v[0], vget_low_s8(a), vget_low_s8(those)), vmlal_high_s8(sum.v[1], a, those),
           vmlal_s8(sum.v[2], vget_low_s8(b), vget_low_s8(those)), vmlal_high_s8(sum.v[3], b, those)}};
}
static inline I end4(A4 sum, I minus) {
  return {vaddq_s32(minus.a, vpaddq_s32(vpaddlq_s16(sum.v[0]), vpaddlq_s16(sum.v[1]))),
          vaddq_s32(minus.b, vpaddq_s32(vpaddlq_s16(sum.v[2]), vpaddlq_s16(sum.v[3])))};
}
static inline I end4(A4 sum, int32_t minus) { return end4(sum, all(minus * 8)); }
static inline I end4(A4 sum, int32_t minus, I points) { return end4(sum, times(points, minus)); }
static inline A8 begin8(int32_t) { return {{vdupq_n_s32(0), vdupq_n_s32(0), vdupq_n_s32(0), vdupq_n_s32(0)}}; }
static inline A8 dot8(A8 sum, U w, const int8_t* x, int index) {
  const U numbers = centred(w);
  const int8x16_t a = vreinterpretq_s8_u8(numbers.a), b = vreinterpretq_s8_u8(numbers.b), those = four(x, index);
  return {{vpadalq_s16(sum.v[0], vmull_s8(vget_low_s8(a), vget_low_s8(those))),
           vpadalq_s16(sum.v[1], vmull_high_s8(a, those)),
           vpadalq_s16(sum.v[2], vmull_s8(vget_low_s8(b), vget_low_s8(those))),
           vpadalq_s16(sum.v[3], vmull_high_s8(b, those))}};
}
static inline I end8(A8 sum) { return {vpaddq_s32(sum.v[0], sum.v[1]), vpaddq_s32(sum.v[2], sum.v[3])}; }

#include "kernels.inl"

}  // namespace

const Kernels* neon_kernels() { return &kTable; }

}  // namespace hornbook
#else
namespace hornbook {
const Kernels* neon_kernels() { return nullptr; }
}  // namespace hornbook
#endif
