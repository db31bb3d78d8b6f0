// The arithmetic that is written for each kind of processor: one table of functions for each.
#pragma once

#include "matrix.h"

namespace hornbook {

struct Kernels {
  const char* name;
  int panel;  // tokens in a panel at most
  int wide;   // of a step of many tokens, where that is more
  // Tiles begin..end of a matrix times panels from..to.
  void (*multiply)(const Matrix&, int64_t begin, int64_t end, const Panels&, int64_t from, int64_t to, const Output&);
  // One token's vector into place `token` of panel `panel`.
  void (*quantise)(const float* x, Panels&, int64_t panel, int token);
  void (*lay)(const float* x, Panels&, int64_t panel, int token);
  void (*rms_norm)(const float* x, const float* weight, float epsilon, int64_t n, float* y);
  void (*layer_norm)(const float* x, const float* weight, const float* bias, float epsilon, int64_t n, float* y);
  void (*swiglu)(const float* gate, const float* up, int64_t n, float* y);
  void (*gelu)(const float* x, int64_t n, float* y);
  // To 16 bits, halves to even.
  void (*halve)(const float* x, int64_t n, uint16_t* y);
  // Turn the pairs (i, i + half) of a head's vector.
  void (*rotate)(float* x, const float* cosine, const float* sine, int64_t half);
  // scratch: scratch_of(...) floats.
  void (*attend)(const Attention&, float* scratch);
};

constexpr int kMany = 32;     // tokens from which on it is worth it to lay weights out for a matrix unit
constexpr int kTogether = 8;  // tiles that pass by a panel of several: both stay in a cache, and lines are written whole
constexpr int kPage = 32;  // tokens in a block of the cache
constexpr int kWidest = 12;

// Floats of scratch that attention to `seen` tokens needs.
inline int64_t attention_scratch(int64_t seen, int64_t head_size) {
  return kWidest * ((seen + kPage) / kPage * kPage + kPage + 2 * ((head_size + 15) / 16 * 16));
}

const Kernels* portable_kernels();
// Null where the library was built for another kind of processor.
const Kernels* avx2_kernels();
const Kernels* avx_vnni_kernels();
const Kernels* avx512_vl_kernels();
const Kernels* avx512_kernels();
const Kernels* avx512_amx_kernels();
const Kernels* neon_kernels();
const Kernels* neon_dotprod_kernels();

}  // namespace hornbook
