// What Python calls: a plain C interface. Nothing is checked here that library.py has checked.
#include <cstring>
#include <new>
#if defined(__aarch64__) && defined(__linux__)
#include <sys/auxv.h>
#elif defined(__x86_64__) && defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#endif

#include "model.h"

using hornbook::Kernels;
using hornbook::Layer;
using hornbook::Matrix;
using hornbook::Model;
using hornbook::Part;
using hornbook::Shape;

#define EXPORTED extern "C" __attribute__((visibility("default")))

namespace {

constexpr int32_t kInterface = 3;  // library.py has the same number

// The best first.
struct Choice {
  const Kernels* kernels;
  bool here;
};

#if defined(__x86_64__)
bool avx2() { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"); }
bool avx512() {
  return avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
         __builtin_cpu_supports("avx512vnni");
}
// CPUID leaf 7: EDX bits 24 and 25. The system has to let a process use the tiles, since each of its threads then keeps 8 kB.
bool amx() {
#if defined(__linux__)
  uint32_t a = 7, b, c = 0, d;
  asm volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
  constexpr long kAskForState = 0x1023, kTileData = 18;  // ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA
  return avx512() && (d >> 24 & 3) == 3 && syscall(SYS_arch_prctl, kAskForState, kTileData) == 0;
#else
  return false;
#endif
}
// CPUID leaf 7, subleaf 1, EAX bit 4; compilers' own names for it are younger than the instruction.
bool avx_vnni() {
  uint32_t a = 7, b, c = 1, d;
  asm volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
  return avx2() && (a >> 4 & 1);
}
#elif defined(__aarch64__)
bool dot_products() {
#if defined(__linux__)
  return getauxval(AT_HWCAP) >> 20 & 1;  // HWCAP_ASIMDDP, which not every system's headers name
#elif defined(__APPLE__)
  return true;
#else
  return false;
#endif
}
#endif

int choices(Choice* into) {
  int count = 0;
  const auto offer = [&](const Kernels* kernels, bool here) {
    if (kernels) into[count++] = {kernels, here};
  };
#if defined(__x86_64__)
  __builtin_cpu_init();
  offer(hornbook::avx512_amx_kernels(), amx());
  offer(hornbook::avx512_kernels(), avx512());
  offer(hornbook::avx_vnni_kernels(), avx_vnni());
  offer(hornbook::avx2_kernels(), avx2());
  offer(hornbook::avx512_vl_kernels(), avx512());
#elif defined(__aarch64__)
  offer(hornbook::neon_dotprod_kernels(), dot_products());
  offer(hornbook::neon_kernels(), true);
#endif
  offer(hornbook::portable_kernels(), true);
  return count;
}

const Kernels* kernels_at(int32_t index) {
  Choice found[8];
  return index >= 0 && index < choices(found) && found[index].here ? found[index].kernels : nullptr;
}

}  // namespace

EXPORTED int32_t hornbook_interface() { return kInterface; }

// The name of the kernels number `index`, null behind the last; here: whether this processor has the instructions.
EXPORTED const char* hornbook_kernels(int32_t index, int32_t* here) {
  Choice found[8];
  if (index < 0 || index >= choices(found)) return nullptr;
  *here = found[index].here;
  return found[index].kernels->name;
}

EXPORTED Model* hornbook_model(const Shape* shape, const int64_t* windows, const float* short_turns,
                               const float* long_turns, const float* plain_turns, int64_t blocks, int32_t kernels,
                               int32_t threads) {
  const Kernels* table = kernels_at(kernels);
  return table ? new Model(*shape, windows, short_turns, long_turns, plain_turns, blocks, table, threads) : nullptr;
}

EXPORTED void hornbook_model_free(Model* model) { delete model; }

// Declare a matrix, packed already or with room to be packed. Null where there is no memory for it, else where it lies;
// bytes: how many it takes.
EXPORTED uint8_t* hornbook_matrix(Model* model, int64_t layer, int32_t slot, int32_t type, int64_t rows,
                                  int64_t columns, int64_t group, int32_t scale_type, int32_t zeros, uint8_t* packed,
                                  int64_t* bytes) {
  Matrix& m = model->layer(layer).matrices[slot];
  m.type = static_cast<hornbook::Type>(type);
  m.rows = rows;
  m.columns = columns;
  m.group = group;
  m.scale_type = static_cast<hornbook::Type>(scale_type);
  m.zeros = zeros;
  hornbook::allocate(m, model->arena(), packed);
  *bytes = static_cast<int64_t>(m.stride) * m.tiles;
  return m.data;
}

// Take bytes, a multiple of 64, into eight sums that change with any of them.
EXPORTED void hornbook_sum(uint64_t* sums, const uint8_t* bytes, int64_t count) {
  uint64_t s[8], word[8];
  std::memcpy(s, sums, 64);
  for (int64_t at = 0; at < count; at += 64) {
    std::memcpy(word, bytes + at, 64);
    for (int i = 0; i < 8; i++) {
      const uint64_t mixed = s[i] ^ word[i];
      s[i] = (mixed << 29 | mixed >> 35) * 0x9e3779b97f4a7c15;
    }
  }
  std::memcpy(sums, s, 64);
}

// Rows of a declared matrix. False where a number is not finite.
EXPORTED int32_t hornbook_rows(Model* model, int64_t layer, int32_t slot, int64_t first, int64_t count,
                               const void* values, const void* scales, const void* zeros) {
  return model->pack_rows(model->layer(layer).matrices[slot], first, count, values, scales, zeros);
}

// A norm's weight, or the bias of a norm or a matrix: `count` numbers from `first` on, of `whole`.
EXPORTED void hornbook_vector(Model* model, int64_t layer, int32_t slot, int32_t bias, int64_t first, int64_t count,
                              int64_t whole, const float* values) {
  Layer& where = model->layer(layer);
  std::vector<float>& vector = bias ? where.biases[slot] : where.weights[slot];
  vector.resize(whole);
  std::memcpy(vector.data() + first, values, count * sizeof(float));
}

// As Model::read. False where there is no memory for keys and values.
EXPORTED int32_t hornbook_read(Model* model, const Part* parts, int64_t count, float* logits) {
  try {
    model->read(parts, count, logits);
    return 1;
  } catch (const std::bad_alloc&) {
    return 0;
  }
}

// For tests of the arithmetic: a product of a matrix and `tokens` vectors.
EXPORTED void hornbook_product(Model* model, int64_t layer, int32_t slot, int64_t tokens, const float* x, float* y) {
  model->product(model->layer(layer).matrices[slot], tokens, x, y);
}

// For tests of the arithmetic: a kernel on vectors of n numbers. which: 0 RMS norm, 1 layer norm, 2 SwiGLU, 3 GELU,
// 4 to 16 bits, into the first half of y.
EXPORTED void hornbook_vectors(int32_t kernels, int32_t which, const float* a, const float* b, const float* c,
                               float epsilon, int64_t n, float* y) {
  const Kernels* table = kernels_at(kernels);
  switch (which) {
    case 0: return table->rms_norm(a, b, epsilon, n, y);
    case 1: return table->layer_norm(a, b, c, epsilon, n, y);
    case 2: return table->swiglu(a, b, n, y);
    case 3: return table->gelu(a, n, y);
    default: return table->halve(a, n, reinterpret_cast<uint16_t*>(y));
  }
}
