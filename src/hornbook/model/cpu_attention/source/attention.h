// Causal attention of whole rows, all of it or blocksparse, and its gradients, on a CPU. One table of functions for
// each kind of processor.
#pragma once

#include <cstdint>

namespace hornbook {

// A tensor (batch, heads, time, size) of floats or of bfloat16; neighbours along `size` lie side by side.
struct Strided {
  void* at;
  int64_t batch, head, time;  // strides, in numbers
};

// The layout is the same in __init__.py.
struct Rows {
  int64_t batch, heads, kv_heads, time, size;
  int32_t bfloat;   // q, k, v, y, dy and dq are bfloat16, not floats
  int32_t threads;
  float scale;      // of scores, before the softmax
  int64_t first_batch;    // stride of `first`: 0 where all rows share it
  const int32_t* first;   // the first key that each token sees, or null: 0. Its last is itself
  // Blocksparse attention: see `meets`. A block is a multiple of 64 tokens, or 0: all is seen.
  int64_t block, local_blocks, stride, step;
  Strided q, k, v, y;
  float* log_sum;         // (batch, heads, time): of each token's softmax, to the base 2
  // Gradients. dk and dv are floats and have a part for each query head: those of a group are yet to be added.
  Strided dy, dq, dk, dv;
};

struct AttentionKernels {
  const char* name;
  int64_t (*forward_scratch)(const Rows&);  // floats
  int64_t (*backward_scratch)(const Rows&);
  void (*forward)(const Rows&, int64_t batch, int64_t head, float* scratch);
  void (*backward)(const Rows&, int64_t batch, int64_t head, float* scratch);
};

const AttentionKernels* portable_attention();
// Null where the library was built for another kind of processor, or by a compiler that doesn't know the instructions.
const AttentionKernels* avx2_attention();
const AttentionKernels* avx512_attention();
const AttentionKernels* avx512_bf16_attention();  // of bfloat16 alone

}  // namespace hornbook
