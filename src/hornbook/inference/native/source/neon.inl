// Vectors of 8 floats, each in two registers, which both kinds of NEON kernels share.
#if !defined(__clang__)
// GCC would reorder products before it gives them registers, until there are not enough of these.
#pragma GCC optimize("no-schedule-insns")
#endif

constexpr int LANES = 8;

struct F {
  float32x4_t a, b;
};
struct I {
  int32x4_t a, b;
};
struct U {
  uint8x16_t a, b;
};

static inline F zero() { return {vdupq_n_f32(0), vdupq_n_f32(0)}; }
static inline F set(float x) { return {vdupq_n_f32(x), vdupq_n_f32(x)}; }
static inline F load(const float* x) { return {vld1q_f32(x), vld1q_f32(x + 4)}; }
static inline void store(float* y, F x) {
  vst1q_f32(y, x.a);
  vst1q_f32(y + 4, x.b);
}
static inline F add(F a, F b) { return {vaddq_f32(a.a, b.a), vaddq_f32(a.b, b.b)}; }
static inline F subtract(F a, F b) { return {vsubq_f32(a.a, b.a), vsubq_f32(a.b, b.b)}; }
static inline F multiply(F a, F b) { return {vmulq_f32(a.a, b.a), vmulq_f32(a.b, b.b)}; }
static inline F divide(F a, F b) { return {vdivq_f32(a.a, b.a), vdivq_f32(a.b, b.b)}; }
static inline F fused(F a, F b, F c) { return {vfmaq_f32(c.a, a.a, b.a), vfmaq_f32(c.b, a.b, b.b)}; }
// Not vmaxq and vminq, which treat zeros and what is no number otherwise than all other processors.
static inline F maximum(F a, F b) {
  return {vbslq_f32(vcgtq_f32(a.a, b.a), a.a, b.a), vbslq_f32(vcgtq_f32(a.b, b.b), a.b, b.b)};
}
static inline F minimum(F a, F b) {
  return {vbslq_f32(vcltq_f32(a.a, b.a), a.a, b.a), vbslq_f32(vcltq_f32(a.b, b.b), a.b, b.b)};
}
static inline F half(const uint16_t* x) {
  const float16x8_t both = vreinterpretq_f16_u16(vld1q_u16(x));
  return {vcvt_f32_f16(vget_low_f16(both)), vcvt_high_f32_f16(both)};
}
static inline F brain(const uint16_t* x) {
  const uint16x8_t both = vld1q_u16(x);
  return {vreinterpretq_f32_u32(vshlq_n_u32(vmovl_u16(vget_low_u16(both)), 16)),
          vreinterpretq_f32_u32(vshlq_n_u32(vmovl_high_u16(both), 16))};
}
static inline void store_halves(uint16_t* y, F x) {
  vst1q_u16(y, vreinterpretq_u16_f16(vcombine_f16(vcvt_f16_f32(x.a), vcvt_f16_f32(x.b))));
}
static inline F to_float(I x) { return {vcvtq_f32_s32(x.a), vcvtq_f32_s32(x.b)}; }
// 2^n, of a number that kRound was added to.
static inline F power_of_two(F x) {
  const int32x4_t one = vdupq_n_s32(0x3f800000);
  return {vreinterpretq_f32_s32(vaddq_s32(vshlq_n_s32(vreinterpretq_s32_f32(x.a), 23), one)),
          vreinterpretq_f32_s32(vaddq_s32(vshlq_n_s32(vreinterpretq_s32_f32(x.b), 23), one))};
}

template <int W>
static inline F exchanged(F x) {
  if constexpr (W == 4) return {x.b, x.a};
  if constexpr (W == 2) return {vextq_f32(x.a, x.a, 2), vextq_f32(x.b, x.b, 2)};
  return {vrev64q_f32(x.a), vrev64q_f32(x.b)};
}
static inline float first(F x) { return vgetq_lane_f32(x.a, 0); }

static inline U bytes(const uint8_t* x) { return {vld1q_u8(x), vld1q_u8(x + 16)}; }
static inline U low(U x) { return {vandq_u8(x.a, vdupq_n_u8(15)), vandq_u8(x.b, vdupq_n_u8(15))}; }
static inline U high(U x) { return {vshrq_n_u8(x.a, 4), vshrq_n_u8(x.b, 4)}; }
// Numbers up to 255, less 128.
static inline U centred(U x) { return {veorq_u8(x.a, vdupq_n_u8(128)), veorq_u8(x.b, vdupq_n_u8(128))}; }
// The 16 activations among which those number `index` are, as number `index % 4`.
static inline int8x16_t sixteen(const int8_t* x, int index) { return vld1q_s8(x + index / 4 * 16); }
static inline I all(int32_t x) { return {vdupq_n_s32(x), vdupq_n_s32(x)}; }
static inline I times(I x, int32_t y) { return {vmulq_n_s32(x.a, y), vmulq_n_s32(x.b, y)}; }
static inline I zero_points(const uint8_t* x) {
  const uint16x8_t both = vmovl_u8(vld1_u8(x));
  return {vreinterpretq_s32_u32(vmovl_u16(vget_low_u16(both))), vreinterpretq_s32_u32(vmovl_high_u16(both))};
}
