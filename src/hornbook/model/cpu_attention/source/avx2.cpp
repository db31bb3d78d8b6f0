// AVX2 with FMA: 16 columns in two vectors.
#include "attention.h"

#if defined(__x86_64__)
#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)
#else
#pragma GCC target("avx2,fma")
#endif

#define NAME "avx2"

namespace hornbook {
namespace {
constexpr int LANES = 8, VECTORS = 2;
#include "vectors.inl"
#include "floats.inl"
#include "blocks.inl"
#include "attention.inl"
}  // namespace

const AttentionKernels* avx2_attention() { return &kTable; }

}  // namespace hornbook
#if defined(__clang__)
#pragma clang attribute pop
#endif
#else
namespace hornbook {
const AttentionKernels* avx2_attention() { return nullptr; }
}  // namespace hornbook
#endif
