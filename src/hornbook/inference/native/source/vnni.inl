// Sums of four products of bytes in one instruction, DOT, on 256 bits.
constexpr int PANEL = 6, TILES = 1, QUERIES = 6;
#include "wide.inl"

using A4 = I;
using A8 = I;

static inline A4 begin4(int32_t minus) { return {_mm256_set1_epi32(minus * 8)}; }
static inline A4 begin4(int32_t minus, I points) { return {_mm256_mullo_epi32(_mm256_set1_epi32(minus), points.v)}; }
static inline A4 dot4(A4 sum, U w, const int8_t* x, int index) { return {DOT(sum.v, w.v, four(x, index))}; }
static inline I end4(A4 sum, int32_t) { return sum; }
static inline I end4(A4 sum, int32_t, I) { return sum; }
static inline A8 begin8(int32_t minus) { return {_mm256_set1_epi32(minus * 128)}; }
static inline A8 dot8(A8 sum, U w, const int8_t* x, int index) { return {DOT(sum.v, w.v, four(x, index))}; }
static inline I end8(A8 sum) { return sum; }
