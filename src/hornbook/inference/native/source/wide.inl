// Vectors of 8 floats, which all of the 256-bit kernels share.
constexpr int LANES = 8;

struct F {
  __m256 v;
};
struct I {
  __m256i v;
};
using U = I;

static inline F zero() { return {_mm256_setzero_ps()}; }
static inline F set(float x) { return {_mm256_set1_ps(x)}; }
static inline F load(const float* x) { return {_mm256_loadu_ps(x)}; }
static inline void store(float* y, F x) { _mm256_storeu_ps(y, x.v); }
static inline F add(F a, F b) { return {_mm256_add_ps(a.v, b.v)}; }
static inline F subtract(F a, F b) { return {_mm256_sub_ps(a.v, b.v)}; }
static inline F multiply(F a, F b) { return {_mm256_mul_ps(a.v, b.v)}; }
static inline F divide(F a, F b) { return {_mm256_div_ps(a.v, b.v)}; }
static inline F fused(F a, F b, F c) { return {_mm256_fmadd_ps(a.v, b.v, c.v)}; }
static inline F maximum(F a, F b) { return {_mm256_max_ps(a.v, b.v)}; }
static inline F minimum(F a, F b) { return {_mm256_min_ps(a.v, b.v)}; }
static inline F half(const uint16_t* x) {
  return {_mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(x)))};
}
static inline F brain(const uint16_t* x) {
  const __m256i wide = _mm256_cvtepu16_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(x)));
  return {_mm256_castsi256_ps(_mm256_slli_epi32(wide, 16))};
}
static inline void store_halves(uint16_t* y, F x) {
  _mm_storeu_si128(reinterpret_cast<__m128i*>(y), _mm256_cvtps_ph(x.v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
}
static inline F to_float(I x) { return {_mm256_cvtepi32_ps(x.v)}; }
// 2^n, of a number that kRound was added to.
static inline F power_of_two(F x) {
  const __m256i bits = _mm256_slli_epi32(_mm256_castps_si256(x.v), 23);
  return {_mm256_castsi256_ps(_mm256_add_epi32(bits, _mm256_set1_epi32(0x3f800000)))};
}

template <int W>
static inline F exchanged(F x) {
  if constexpr (W == 4) return {_mm256_permute2f128_ps(x.v, x.v, 1)};
  return {_mm256_permute_ps(x.v, W == 2 ? 0x4e : 0xb1)};
}
static inline float first(F x) { return _mm256_cvtss_f32(x.v); }

static inline U bytes(const uint8_t* x) { return {_mm256_loadu_si256(reinterpret_cast<const __m256i*>(x))}; }
static inline U low(U x) { return {_mm256_and_si256(x.v, _mm256_set1_epi8(15))}; }
static inline U high(U x) { return {_mm256_and_si256(_mm256_srli_epi16(x.v, 4), _mm256_set1_epi8(15))}; }
static inline __m256i four(const int8_t* x, int index) {
  int32_t together;
  __builtin_memcpy(&together, x + index * 4, 4);
  return _mm256_set1_epi32(together);
}
static inline I zero_points(const uint8_t* x) {
  return {_mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(x)))};
}
