// AVX-512 with VNNI, and AMX's tiles for a step of many tokens: 16 tokens by 16 rows by 32 columns in one instruction.
#include "kernels.h"

#if defined(__x86_64__) && defined(__linux__) && (defined(__clang__) ? __clang_major__ >= 12 : __GNUC__ >= 11)
#if defined(__clang__)
#pragma clang attribute push(                                                                                    \
    __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,f16c,fma,amx-tile,amx-int8"))), \
    apply_to = function)
#else
#pragma GCC target("avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,f16c,fma,amx-tile,amx-int8")
#endif
#include <immintrin.h>

#include <cmath>
#include <type_traits>
#include <vector>

#define NAME "avx512-amx"
#define WIDE 16

namespace hornbook {
namespace {

static void multiply_wide(const Matrix& m, int64_t begin, int64_t end, const Panels& p, int64_t from, int64_t to,
                          const Output& out);

#include "avx512.inl"
#include "kernels.inl"

// The shapes of the tiles that are used: sums, 0 to 3, of `tokens` x 16 whole numbers, activations, 6, of `tokens` x 32
// bytes, weights, 7, of 8 x 64 bytes. A thread has them as long as this lives.
class Tiles {
 public:
  explicit Tiles(int tokens) {
    struct alignas(64) {
      uint8_t palette = 1, start_row = 0, reserved[14] = {};
      uint16_t bytes[16] = {64, 64, 64, 64, 0, 0, kBlock, 64};
      uint8_t rows[16] = {};
    } shapes;
    for (int sum = 0; sum < 4; sum++) shapes.rows[sum] = static_cast<uint8_t>(tokens);
    shapes.rows[6] = static_cast<uint8_t>(tokens);
    shapes.rows[7] = kBlock / 4;
    asm volatile("" : : "r"(&shapes) : "memory");  // the intrinsic says that it reads eight bytes
    _tile_loadconfig(&shapes);
  }
  ~Tiles() { _tile_release(); }
  Tiles(const Tiles&) = delete;
};

// A tile's numbers less their zero points, which AMX takes with their sign: [block][4 columns together][16 rows][4]. Its
// scales: [group][16].
static void open(const Matrix& m, int64_t index, int8_t* numbers, float* scales) {
  const uint8_t* w = m.tile(index);
  const int64_t groups = m.columns / m.group, blocks = m.group / kBlock;
  const int lines = m.type == kQ8 ? 8 : 4;  // of a block
  __m512i zero = _mm512_set1_epi8(static_cast<char>(m.type == kQ8 ? 128 : 8));
  for (int64_t g = 0; g < groups; g++, w += m.group_stride, scales += kTile) {
    store(scales, scales_of(m, w + m.scales_at));
    if (m.zeros) {
      zero = _mm512_mullo_epi32(zero_points(w + m.scales_at + kTile * 2).v, _mm512_set1_epi32(0x01010101));
    }
    for (int64_t line = 0; line < blocks * lines; line++) {
      __builtin_prefetch(w + line * 64 + kAhead);
      const U both = bytes(w + line * 64);
      if (m.type == kQ8) {
        _mm512_store_si512(numbers, _mm512_sub_epi8(both.v, zero));
        numbers += 64;
      } else {
        _mm512_store_si512(numbers, _mm512_sub_epi8(low(both).v, zero));
        _mm512_store_si512(numbers + 64, _mm512_sub_epi8(high(both).v, zero));
        numbers += 128;
      }
    }
  }
}

// What a thread opens kTogether tiles into.
struct Opened {
  std::vector<int8_t> room;
  std::vector<float> scales;

  void fit(const Matrix& m) {
    const int64_t numbers = kTogether * kTile * m.columns + 64;
    if (static_cast<int64_t>(room.size()) < numbers) room.resize(numbers);
    if (static_cast<int64_t>(scales.size()) < numbers / m.group) scales.resize(numbers / m.group);
  }
  int8_t* numbers_of(const Matrix& m, int64_t place) {
    return room.data() + (64 - reinterpret_cast<uintptr_t>(room.data()) % 64) % 64 + place * kTile * m.columns;
  }
  float* scales_of(const Matrix& m, int64_t place) { return scales.data() + place * kTile * (m.columns / m.group); }
};

#define INLINED __attribute__((always_inline))
constexpr int kFlight = 4;  // blocks whose products are under way while those of an earlier one are added

// The product of tiles 6 and 7 by way of sum N to memory: the intrinsics want the numbers spelled out.
#define PRODUCT_INTO(N)                          \
  template <>                                    \
  inline void product_into<N>(int32_t* where) {  \
    _tile_zero(N);                               \
    _tile_dpbssd(N, 6, 7);                       \
    _tile_stored(N, where, 64);                  \
  }
template <int N>
inline void product_into(int32_t* where);
PRODUCT_INTO(0)
PRODUCT_INTO(1)
PRODUCT_INTO(2)
PRODUCT_INTO(3)

template <int N>
using Number = std::integral_constant<int, N>;

// begin(block, number), then end(place) of each block, kFlight - 1 blocks later.
template <class Begin, class End>
INLINED static inline void in_flight(int64_t blocks, Begin&& begin, End&& end) {
  begin(0, Number<0>());
  if (blocks > 1) begin(1, Number<1>());
  if (blocks > 2) begin(2, Number<2>());
  int64_t b = 0;
  for (; b + 7 <= blocks; b += 4) {
    begin(b + 3, Number<3>());
    end(0);
    begin(b + 4, Number<0>());
    end(1);
    begin(b + 5, Number<1>());
    end(2);
    begin(b + 6, Number<2>());
    end(3);
  }
  for (; b < blocks; b++) {
    if (b + 3 < blocks) {
      switch ((b + 3) % 4) {
        case 0: begin(b + 3, Number<0>()); break;
        case 1: begin(b + 3, Number<1>()); break;
        case 2: begin(b + 3, Number<2>()); break;
        default: begin(b + 3, Number<3>());
      }
    }
    end(static_cast<int>(b % 4));
  }
}

struct WidePanel {
  // A tile's 16 rows times T tokens, as `quantized_tiles` has them: float(sum of products) * (scale * scale), in order.
  template <int T>
  SEPARATE static void of(const Matrix& m, int64_t tile, const int8_t* numbers, const float* scales, const Panels& p,
                          int64_t panel, const Output& out) {
    const int64_t token = panel * p.width, blocks = m.columns / kBlock, each = m.group / kBlock;
    const int8_t* x = p.integers + token * m.columns;
    const float* xs = p.scales + token * blocks;
    alignas(64) int32_t products[kFlight][16 * kTile];
    const auto multiply_block = [&](int64_t b, auto sum) INLINED {
      _tile_loadd(6, x + b * kBlock * T, kBlock);
      _tile_loadd(7, numbers + b * kBlock * kTile, 64);
      if constexpr (sum == 0) product_into<0>(products[0]);
      if constexpr (sum == 1) product_into<1>(products[1]);
      if constexpr (sum == 2) product_into<2>(products[2]);
      if constexpr (sum == 3) product_into<3>(products[3]);
    };
    F sums[T];
UNROLL
    for (int t = 0; t < T; t++) sums[t] = zero();
    int64_t of_group = 0;
    const auto add_block = [&](const int32_t* found) INLINED {
      const F ws = load(scales);
UNROLL
      for (int t = 0; t < T; t++) {
        sums[t] = fused(to_float({_mm512_load_si512(found + t * kTile)}), multiply(ws, set(xs[t])), sums[t]);
      }
      xs += T;
      if (++of_group == each) {
        of_group = 0;
        scales += kTile;
      }
    };
    in_flight(blocks, multiply_block, [&](int at) INLINED { add_block(products[at]); });
    write(sums, T, tile * kTile, m.rows, token, out);
  }
};

static void multiply_wide(const Matrix& m, int64_t begin, int64_t end, const Panels& p, int64_t from, int64_t to,
                          const Output& out) {
  static thread_local Opened opened;
  opened.fit(m);
  const Tiles tiles(p.width);
  for (int64_t first = begin; first < end; first += kTogether) {
    const int64_t behind = first + kTogether < end ? first + kTogether : end;
    for (int64_t tile = first; tile < behind; tile++) {
      open(m, tile, opened.numbers_of(m, tile - first), opened.scales_of(m, tile - first));
    }
    asm volatile("" : : : "memory");  // what loads tiles does not say that it reads memory
    for (int64_t panel = from; panel < to; panel++) {
      for (int64_t tile = first; tile < behind; tile++) {
        with_tokens<WidePanel, WIDE>(p.tokens_of(panel), m, tile, opened.numbers_of(m, tile - first),
                                     opened.scales_of(m, tile - first), p, panel, out);
      }
    }
  }
}

}  // namespace

const Kernels* avx512_amx_kernels() { return &kTable; }

}  // namespace hornbook
#if defined(__clang__)
#pragma clang attribute pop
#endif
#else
namespace hornbook {
const Kernels* avx512_amx_kernels() { return nullptr; }
}  // namespace hornbook
#endif
