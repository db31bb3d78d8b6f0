// For any processor: plain C++, which compilers turn into what vectors there are.
#include <cmath>
#include <cstring>

#include "kernels.h"

#define NAME "portable"
#define UNROLL  // a vector is no register here

namespace hornbook {
namespace {

constexpr int LANES = 16, PANEL = 2, TILES = 1, QUERIES = 2;

struct F {
  float v[LANES];
};
struct I {
  int32_t v[LANES];
};
struct U {
  uint8_t v[LANES * 4];
};
using A4 = I;
using A8 = I;

template <class Function>
static inline F each(Function&& function) {
  F y;
  for (int i = 0; i < LANES; i++) y.v[i] = function(i);
  return y;
}
static inline F zero() {
  return each([](int) { return 0.0f; });
}
static inline F set(float x) {
  return each([=](int) { return x; });
}
static inline F load(const float* x) {
  F y;
  std::memcpy(y.v, x, sizeof y.v);
  return y;
}
static inline void store(float* y, const F& x) { std::memcpy(y, x.v, sizeof x.v); }
static inline F add(const F& a, const F& b) {
  return each([&](int i) { return a.v[i] + b.v[i]; });
}
static inline F subtract(const F& a, const F& b) {
  return each([&](int i) { return a.v[i] - b.v[i]; });
}
static inline F multiply(const F& a, const F& b) {
  return each([&](int i) { return a.v[i] * b.v[i]; });
}
static inline F divide(const F& a, const F& b) {
  return each([&](int i) { return a.v[i] / b.v[i]; });
}
static inline F fused(const F& a, const F& b, const F& c) {
  return each([&](int i) { return std::fma(a.v[i], b.v[i], c.v[i]); });
}
static inline F maximum(const F& a, const F& b) {
  return each([&](int i) { return a.v[i] > b.v[i] ? a.v[i] : b.v[i]; });
}
static inline F minimum(const F& a, const F& b) {
  return each([&](int i) { return a.v[i] < b.v[i] ? a.v[i] : b.v[i]; });
}
static inline F half(const uint16_t* x) {
  return each([=](int i) { return from_f16(x[i]); });
}
static inline F brain(const uint16_t* x) {
  return each([=](int i) { return from_bf16(x[i]); });
}
static inline void store_halves(uint16_t* y, const F& x) {
  for (int i = 0; i < LANES; i++) y[i] = to_f16(x.v[i]);
}
static inline F to_float(const I& x) {
  return each([&](int i) { return static_cast<float>(x.v[i]); });
}
// 2^n, of a number that kRound was added to.
static inline F power_of_two(const F& x) {
  F y;
  for (int i = 0; i < LANES; i++) {
    uint32_t bits;
    std::memcpy(&bits, &x.v[i], 4);
    bits = (bits << 23) + 0x3f800000u;
    std::memcpy(&y.v[i], &bits, 4);
  }
  return y;
}

template <int W>
static inline F exchanged(const F& x) {
  return each([&](int i) { return x.v[i ^ W]; });
}
static inline float first(const F& x) { return x.v[0]; }

static inline U bytes(const uint8_t* x) {
  U y;
  std::memcpy(y.v, x, sizeof y.v);
  return y;
}
static inline U low(const U& x) {
  U y;
  for (int i = 0; i < LANES * 4; i++) y.v[i] = x.v[i] & 15;
  return y;
}
static inline U high(const U& x) {
  U y;
  for (int i = 0; i < LANES * 4; i++) y.v[i] = x.v[i] >> 4;
  return y;
}
static inline I dot(const I& sum, const U& w, const int8_t* x) {
  I y;
  for (int i = 0; i < LANES; i++) {
    const uint8_t* four = w.v + i * 4;
    y.v[i] = sum.v[i] + four[0] * x[0] + four[1] * x[1] + four[2] * x[2] + four[3] * x[3];
  }
  return y;
}
static inline I all(int32_t x) {
  I y;
  for (int i = 0; i < LANES; i++) y.v[i] = x;
  return y;
}
static inline I zero_points(const uint8_t* x) {
  I y;
  for (int i = 0; i < LANES; i++) y.v[i] = x[i];
  return y;
}
static inline I begin4(int32_t minus) { return all(minus * 8); }
static inline I begin4(int32_t minus, const I& points) {
  I y;
  for (int i = 0; i < LANES; i++) y.v[i] = minus * points.v[i];
  return y;
}
static inline I dot4(const I& sum, const U& w, const int8_t* x, int index) { return dot(sum, w, x + index * 4); }
static inline I end4(const I& sum, int32_t) { return sum; }
static inline I end4(const I& sum, int32_t, const I&) { return sum; }
static inline I begin8(int32_t minus) { return all(minus * 128); }
static inline I dot8(const I& sum, const U& w, const int8_t* x, int index) { return dot(sum, w, x + index * 4); }
static inline I end8(const I& sum) { return sum; }

#include "kernels.inl"

}  // namespace

const Kernels* portable_kernels() { return &kTable; }

}  // namespace hornbook
