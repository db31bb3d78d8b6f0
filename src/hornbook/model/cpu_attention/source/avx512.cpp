// AVX-512: 64 columns in four vectors.
#include "attention.h"

#if defined(__x86_64__)
#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2,fma,avx512f,avx512bw,avx512vl,avx512dq"))), apply_to = function)
#else
#pragma GCC target("avx2,fma,avx512f,avx512bw,avx512vl,avx512dq")
#endif

#define NAME "avx512"

namespace hornbook {
namespace {
constexpr int LANES = 16, VECTORS = 4;
#include "vectors.inl"
#include "floats.inl"
#include "blocks.inl"
#include "attention.inl"
}  // namespace

const AttentionKernels* avx512_attention() { return &kTable; }

}  // namespace hornbook
#if defined(__clang__)
#pragma clang attribute pop
#endif
#else
namespace hornbook {
const AttentionKernels* avx512_attention() { return nullptr; }
}  // namespace hornbook
#endif
