// Vectors of 16 floats: a whole tile's 16 rows in one register of AVX-512, with VNNI.
constexpr int LANES = 16, PANEL = 6, TILES = 2, QUERIES = 12;

struct F {
  __m512 v;
};
struct I {
  __m512i v;
};
using U = I;
using A4 = I;
using A8 = I;

static inline F zero() { return {_mm512_setzero_ps()}; }
static inline F set(float x) { return {_mm512_set1_ps(x)}; }
static inline F load(const float* x) { return {_mm512_loadu_ps(x)}; }
static inline void store(float* y, F x) { _mm512_storeu_ps(y, x.v); }
static inline F add(F a, F b) { return {_mm512_add_ps(a.v, b.v)}; }
static inline F subtract(F a, F b) { return {_mm512_sub_ps(a.v, b.v)}; }
static inline F multiply(F a, F b) { return {_mm512_mul_ps(a.v, b.v)}; }
static inline F divide(F a, F b) { return {_mm512_div_ps(a.v, b.v)}; }
static inline F fused(F a, F b, F c) { return {_mm512_fmadd_ps(a.v, b.v, c.v)}; }
static inline F maximum(F a, F b) { return {_mm512_max_ps(a.v, b.v)}; }
static inline F minimum(F a, F b) { return {_mm512_min_ps(a.v, b.v)}; }
static inline F half(const uint16_t* x) {
  return {_mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(x)))};
}
static inline F brain(const uint16_t* x) {
  const __m512i wide = _mm512_cvtepu16_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(x)));
  return {_mm512_castsi512_ps(_mm512_slli_epi32(wide, 16))};
}
static inline void store_halves(uint16_t* y, F x) {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(y), _mm512_cvtps_ph(x.v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
}
static inline F to_float(I x) { return {_mm512_cvtepi32_ps(x.v)}; }
// 2^n, of a number that kRound was added to.
static inline F power_of_two(F x) {
  const __m512i bits = _mm512_slli_epi32(_mm512_castps_si512(x.v), 23);
  return {_mm512_castsi512_ps(_mm512_add_epi32(bits, _mm512_set1_epi32(0x3f800000)))};
}

template <int W>
static inline F exchanged(F x) {
  if constexpr (W == 8) return {_mm512_shuffle_f32x4(x.v, x.v, 0x4e)};
  if constexpr (W == 4) return {_mm512_shuffle_f32x4(x.v, x.v, 0xb1)};
  return {_mm512_permute_ps(x.v, W == 2 ? 0x4e : 0xb1)};
}
static inline float first(F x) { return _mm512_cvtss_f32(x.v); }

static inline U bytes(const uint8_t* x) { return {_mm512_loadu_si512(x)}; }
static inline U low(U x) { return {_mm512_and_si512(x.v, _mm512_set1_epi8(15))}; }
static inline U high(U x) { return {_mm512_and_si512(_mm512_srli_epi16(x.v, 4), _mm512_set1_epi8(15))}; }
static inline __m512i four(const int8_t* x, int index) {
  int32_t together;
  __builtin_memcpy(&together, x + index * 4, 4);
  return _mm512_set1_epi32(together);
}
static inline I zero_points(const uint8_t* x) {
  return {_mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(x)))};
}

static inline A4 begin4(int32_t minus) { return {_mm512_set1_epi32(minus * 8)}; }
static inline A4 begin4(int32_t minus, I points) { return {_mm512_mullo_epi32(_mm512_set1_epi32(minus), points.v)}; }
static inline A4 dot4(A4 sum, U w, const int8_t* x, int index) { return {_mm512_dpbusd_epi32(sum.v, w.v, four(x, index))}; }
static inline I end4(A4 sum, int32_t) { return sum; }
static inline I end4(A4 sum, int32_t, I) { return sum; }
static inline A8 begin8(int32_t minus) { return {_mm512_set1_epi32(minus * 128)}; }
static inline A8 dot8(A8 sum, U w, const int8_t* x, int index) { return {_mm512_dpbusd_epi32(sum.v, w.v, four(x, index))}; }
static inline I end8(A8 sum) { return sum; }
