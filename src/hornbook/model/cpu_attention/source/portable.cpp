// Any processor: vectors of four floats, as SSE2 and NEON have.
#include "attention.h"

#define NAME "portable"

namespace hornbook {
namespace {
constexpr int LANES = 4, VECTORS = 4;
#include "vectors.inl"
#include "floats.inl"
#include "blocks.inl"
#include "attention.inl"
}  // namespace

const AttentionKernels* portable_attention() { return &kTable; }

}  // namespace hornbook
