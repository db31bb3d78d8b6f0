// What Python calls: a plain C interface. Nothing is checked here that __init__.py has checked.
#include <atomic>
#include <cstdlib>
#include <system_error>
#include <thread>
#include <vector>

#include "attention.h"

using hornbook::AttentionKernels;
using hornbook::Rows;

#define EXPORTED extern "C" __attribute__((visibility("default")))

namespace {

#if defined(__x86_64__)
// CPUID leaf 7, subleaf 1, EAX bit 5; compilers' own names for it are younger than the instruction.
bool avx512_bf16() {
  uint32_t a = 7, b, c = 1, d;
  asm volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
  return a >> 5 & 1;
}
#endif

using All = std::vector<const AttentionKernels*>;

// What this processor has for floats, or for bfloat16, the best first.
All found(bool bfloat) {
  All here;
  const auto offer = [&](const AttentionKernels* kernels) {
    if (kernels) here.push_back(kernels);
  };
#if defined(__x86_64__)
  __builtin_cpu_init();
  const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  if (avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
      __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq")) {
    if (bfloat && avx512_bf16()) offer(hornbook::avx512_bf16_attention());
    offer(hornbook::avx512_attention());
  }
  if (avx2) offer(hornbook::avx2_attention());
#else
  (void)bfloat;
#endif
  offer(hornbook::portable_attention());
  return here;
}

// Null behind the last. The processor is asked once: a virtual one takes its time.
const AttentionKernels* choose(int32_t number, bool bfloat) {
  static const All of_floats = found(false), of_bfloats = found(true);
  const All& here = bfloat ? of_bfloats : of_floats;
  return number < static_cast<int32_t>(here.size()) ? here[number] : nullptr;
}

// Each head of each row is one piece of work, and goes to whichever thread is free: its result is its own. False where
// there is no memory for a single thread.
bool spread(const Rows& rows, int64_t scratch, void (*work)(const Rows&, int64_t, int64_t, float*)) {
  const int64_t pieces = rows.batch * rows.heads;
  std::atomic<int64_t> next{0};
  const auto run = [&] {
    const size_t bytes = (scratch * sizeof(float) + 63) / 64 * 64;
    float* room = static_cast<float*>(std::aligned_alloc(64, bytes));
    for (int64_t piece; room && (piece = next++) < pieces;) work(rows, piece / rows.heads, piece % rows.heads, room);
    std::free(room);
  };
  std::vector<std::thread> others;
  try {
    for (int64_t i = 1; i < rows.threads && i < pieces; ++i) others.emplace_back(run);
  } catch (const std::system_error&) {  // no more threads are to be had: those that are do it
  }
  run();
  for (std::thread& other : others) other.join();
  return next >= pieces;
}

}  // namespace

EXPORTED int64_t hornbook_attention_rows() { return sizeof(Rows); }

EXPORTED const char* hornbook_attention_kernels(int32_t number, int32_t bfloat) {
  const AttentionKernels* kernels = choose(number, bfloat);
  return kernels ? kernels->name : nullptr;
}

EXPORTED int32_t hornbook_attention_forward(const Rows* rows, int32_t number) {
  const AttentionKernels* kernels = choose(number, rows->bfloat);
  return spread(*rows, kernels->forward_scratch(*rows), kernels->forward);
}

EXPORTED int32_t hornbook_attention_backward(const Rows* rows, int32_t number) {
  const AttentionKernels* kernels = choose(number, rows->bfloat);
  return spread(*rows, kernels->backward_scratch(*rows), kernels->backward);
}
