// AVX2 with AVX-VNNI, as processors without AVX-512 have it.
#include "kernels.h"

#if defined(__x86_64__) && (defined(__clang__) || __GNUC__ >= 11)
#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2,fma,f16c,avxvnni"))), apply_to = function)
#else
#pragma GCC target("avx2,fma,f16c,avxvnni")
#endif
#include <immintrin.h>

#include <cmath>

#define NAME "avx-vnni"
#define DOT _mm256_dpbusd_avx_epi32

namespace hornbook {
namespace {

#include "vnni.inl"
#include "kernels.inl"

}  // namespace

const Kernels* avx_vnni_kernels() { return &kTable; }

}  // namespace hornbook
#if defined(__clang__)
#pragma clang attribute pop
#endif
#else
namespace hornbook {
const Kernels* avx_vnni_kernels() { return nullptr; }
}  // namespace hornbook
#endif
