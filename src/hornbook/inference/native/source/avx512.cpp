// AVX-512 with VNNI: a whole tile's 16 rows in one register.
#include "kernels.h"

#if defined(__x86_64__)
#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,f16c,fma"))), \
                             apply_to = function)
#else
#pragma GCC target("avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,f16c,fma")
#endif
#include <immintrin.h>

#include <cmath>

#define NAME "avx512-vnni"

namespace hornbook {
namespace {

#include "avx512.inl"
#include "kernels.inl"

}  // namespace

const Kernels* avx512_kernels() { return &kTable; }

}  // namespace hornbook
#if defined(__clang__)
#pragma clang attribute pop
#endif
#else
namespace hornbook {
const Kernels* avx512_kernels() { return nullptr; }
}  // namespace hornbook
#endif
