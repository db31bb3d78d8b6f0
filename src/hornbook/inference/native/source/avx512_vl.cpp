// The code of avx_vnni.cpp with AVX-512's spelling of the same instruction: how it is tested on processors that lack AVX-VNNI.
#include "kernels.h"

#if defined(__x86_64__)
#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2,fma,f16c,avx512f,avx512vl,avx512vnni"))), apply_to = function)
#else
#pragma GCC target("avx2,fma,f16c,avx512f,avx512vl,avx512vnni")
#endif
#include <immintrin.h>

#include <cmath>

#define NAME "avx512-vl"
#define DOT _mm256_dpbusd_epi32

namespace hornbook {
namespace {

#include "vnni.inl"
#include "kernels.inl"

}  // namespace

const Kernels* avx512_vl_kernels() { return &kTable; }

}  // namespace hornbook
#if defined(__clang__)
#pragma clang attribute pop
#endif
#else
namespace hornbook {
const Kernels* avx512_vl_kernels() { return nullptr; }
}  // namespace hornbook
#endif
