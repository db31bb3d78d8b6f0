// The kernels, written once over vectors of LANES floats. A file that includes this defines, in its own namespace:
//
//   LANES, F (floats), I (int32), U (bytes), A4 and A8 (sums of products with 4- and 8-bit numbers),
//   how many registers hold sums: TILES times PANEL tokens of a product, QUERIES of attention, and
//   zero, set, load, store, store_halves, add, subtract, multiply, divide, fused, maximum, minimum, half, brain, to_float,
//   power_of_two, exchanged<W> (lane i gets lane i ^ W), first (lane 0),
//   bytes, low, high, begin4/dot4/end4, begin8/dot8/end8, zero_points.
//
// Where a unit multiplies matrices, WIDE, tokens of a panel at most, and multiply_wide, which takes quantized panels of more
// than PANEL tokens.
//
// dot4 and dot8 are told where a block's activations begin and which four of them are meant: known when they are compiled, so
// that a processor may load more at once.
//
// Every sum is made in one order: a row's products column by column, or in 16 interleaved partial sums. So all processors,
// and all sizes of batches, give the same bits.

#define SEPARATE __attribute__((noinline))
#ifndef UNROLL
#define UNROLL _Pragma("GCC unroll 16")
#endif

#ifdef WIDE
#define WIDE_PANELS 1
#else
#define WIDE PANEL
#define WIDE_PANELS 0
#endif
constexpr int PARTS = kTile / LANES;
constexpr int kAhead = 4608;  // bytes by which weights are asked for before they are used
constexpr int kSecond = 2;    // into the second cache: the first can wait for few lines at once

// ---- products

// Scales of a group's LANES rows.
static inline F scales_of(const Matrix& m, const uint8_t* at) {
  const uint16_t* halves = reinterpret_cast<const uint16_t*>(at);
  return m.scale_type == kBF16 ? brain(halves) : half(halves);
}

static inline void write(const F* sums, int tokens, int64_t row, int64_t rows, int64_t token, const Output& out) {
  for (int t = 0; t < tokens; t++) {
    float* y = out.y + (token + t) * out.stride + row;
    if (row + LANES <= rows) {
      F sum = sums[t];
      if (out.bias) sum = add(sum, load(out.bias + row));
      if (out.add) sum = add(load(y), sum);
      store(y, sum);
    } else {
      float each[LANES];
      store(each, sums[t]);
      for (int lane = 0; row + lane < rows; lane++) {
        float sum = each[lane];
        if (out.bias) sum += out.bias[row + lane];
        y[lane] = out.add ? y[lane] + sum : sum;
      }
    }
  }
}

// R tiles of 4- or 8-bit numbers times T tokens: sum over blocks of float(sum of integer products) * (scale * scale).
// out: [tile][token]. Ahead: ask for weights before they are used.
template <int T, int R, bool Eight, bool Zeros, bool Ahead>
static inline void quantized_tiles(const Matrix& m, const uint8_t* tile, int part, const int8_t* x, const float* xs,
                                   const int32_t* minus, F* out) {
  constexpr int kBytes = Eight ? 512 : 256;  // of a block's 16 rows
  const size_t scales_at = m.scales_at - part * LANES * 2, zeros_at = m.scales_at + kTile * 2 - part * LANES * 3;
  const uint8_t* w = tile + part * LANES * 4;
  const int64_t groups = m.columns / m.group, blocks = m.group / kBlock;
  F sums[R * T];
UNROLL
  for (int i = 0; i < R * T; i++) sums[i] = zero();
  for (int64_t g = 0; g < groups; g++) {
    F ws[R];
    I points[R];
UNROLL
    for (int r = 0; r < R; r++) {
      ws[r] = scales_of(m, w + r * m.stride + scales_at);
      if (Zeros) points[r] = zero_points(w + r * m.stride + zeros_at);
    }
    for (int64_t b = 0; b < blocks; b++) {
      if (Ahead && part == 0) {
UNROLL
        for (int line = 0; line < kBytes; line += 64) __builtin_prefetch(w + line + kAhead);
      }
      I products[R * T];
      if (Eight) {
        A8 a[R * T];
UNROLL
        for (int i = 0; i < R * T; i++) a[i] = begin8(minus[i % T]);
UNROLL
        for (int step = 0; step < 8; step++) {
          U n[R];
UNROLL
          for (int r = 0; r < R; r++) n[r] = bytes(w + r * m.stride + step * 64);
UNROLL
          for (int i = 0; i < R * T; i++) {
            const int r = i % R, t = i / R;
            a[r * T + t] = dot8(a[r * T + t], n[r], x, step * T + t);
          }
        }
UNROLL
        for (int i = 0; i < R * T; i++) products[i] = end8(a[i]);
      } else {
        A4 a[R * T];
UNROLL
        for (int i = 0; i < R * T; i++) a[i] = Zeros ? begin4(minus[i % T], points[i / T]) : begin4(minus[i % T]);
UNROLL
        for (int step = 0; step < 4; step++) {
          U even[R], odd[R];
UNROLL
          for (int r = 0; r < R; r++) {
            const U both = bytes(w + r * m.stride + step * 64);
            even[r] = low(both);
            odd[r] = high(both);
          }
UNROLL
          for (int i = 0; i < R * T; i++) {
            const int r = i % R, t = i / R;
            a[r * T + t] = dot4(a[r * T + t], even[r], x, 2 * step * T + t);
          }
UNROLL
          for (int i = 0; i < R * T; i++) {
            const int r = i % R, t = i / R;
            a[r * T + t] = dot4(a[r * T + t], odd[r], x, (2 * step + 1) * T + t);
          }
        }
UNROLL
        for (int i = 0; i < R * T; i++) {
          products[i] = Zeros ? end4(a[i], minus[i % T], points[i / T]) : end4(a[i], minus[i % T]);
        }
      }
UNROLL
      for (int i = 0; i < R * T; i++) {
        sums[i] = fused(to_float(products[i]), multiply(ws[i / T], set(xs[i % T])), sums[i]);
      }
      w += kBytes;
      x += 32 * T;
      xs += T;
      minus += T;
    }
    if (Ahead && part == 0) __builtin_prefetch(w + kAhead);
    w += m.group_stride - m.scales_at;
  }
UNROLL
  for (int i = 0; i < R * T; i++) out[i] = sums[i];
}

// First: no panel passed by these tiles before, they come from memory, one behind the other.
template <int T, bool Eight, bool Zeros, bool First>
SEPARATE static void quantized(const Matrix& m, int64_t begin, int64_t end, const Panels& p, int64_t panel, const Output& out) {
  constexpr int R = First ? 1 : TILES;
  const int64_t token = panel * p.width, blocks = m.columns / kBlock;
  const int8_t* x = p.integers + token * m.columns;
  const float* xs = p.scales + token * blocks;
  const int32_t* minus = p.minus_sums + token * blocks;
  for (int64_t tile = begin; tile < end;) {
    const int count = end - tile >= R ? R : 1;
    for (int part = 0; part < PARTS; part++) {
      F sums[R * T];
      if (count == R) {
        quantized_tiles<T, R, Eight, Zeros, First>(m, m.tile(tile), part, x, xs, minus, sums);
      } else {
        quantized_tiles<T, 1, Eight, Zeros, First>(m, m.tile(tile), part, x, xs, minus, sums);
      }
      for (int r = 0; r < count; r++) write(sums + r * T, T, (tile + r) * kTile + part * LANES, m.rows, token, out);
    }
    tile += count;
  }
}

template <Type Stored>
static inline F stored(const uint8_t* at, int64_t index) {
  if (Stored == kF32) return load(reinterpret_cast<const float*>(at) + index);
  const uint16_t* halves = reinterpret_cast<const uint16_t*>(at) + index;
  return Stored == kF16 ? half(halves) : brain(halves);
}

// R tiles of floats times T tokens; out: [tile][token]. ahead: what is asked for meanwhile, a line a column.
template <int T, int R, Type Stored, bool Ahead = false>
static inline void float_tiles(const uint8_t* tile, size_t stride, int part, int64_t columns, const float* x, F* out,
                               const uint8_t* ahead = nullptr) {
  F sums[R * T];
UNROLL
  for (int i = 0; i < R * T; i++) sums[i] = zero();
  for (int64_t c = 0; c < columns; c++, x += T) {
    if (Ahead) __builtin_prefetch(ahead + c * 64, 0, kSecond);
UNROLL
    for (int r = 0; r < R; r++) {
      const F w = stored<Stored>(tile + r * stride, c * kTile + part * LANES);
UNROLL
      for (int t = 0; t < T; t++) sums[r * T + t] = fused(w, set(x[t]), sums[r * T + t]);
    }
  }
UNROLL
  for (int i = 0; i < R * T; i++) out[i] = sums[i];
}

template <int T, Type Stored>
SEPARATE static void floats(const Matrix& m, int64_t begin, int64_t end, const Panels& p, int64_t panel, const Output& out) {
  constexpr int R = T == 1 ? 4 : T == 2 ? 2 : 1;  // so that one sum need not wait for another
  const int64_t token = panel * p.width;
  const float* x = p.floats + token * m.columns;
  for (int64_t tile = begin; tile < end;) {
    const int count = end - tile >= R ? R : 1;
    for (int part = 0; part < PARTS; part++) {
      F sums[R * T];
      if (count == R) {
        float_tiles<T, R, Stored>(m.tile(tile), m.stride, part, m.columns, x, sums);
      } else {
        float_tiles<T, 1, Stored>(m.tile(tile), m.stride, part, m.columns, x, sums);
      }
      for (int r = 0; r < count; r++) {
        write(sums + r * T, T, (tile + r) * kTile + part * LANES, m.rows, token, out);
      }
    }
    tile += count;
  }
}

template <int T, bool First>
static void panel_of(const Matrix& m, int64_t begin, int64_t end, const Panels& p, int64_t panel, const Output& out) {
  switch (m.type) {
    case kF32: return floats<T, kF32>(m, begin, end, p, panel, out);
    case kF16: return floats<T, kF16>(m, begin, end, p, panel, out);
    case kBF16: return floats<T, kBF16>(m, begin, end, p, panel, out);
    default: break;
  }
  if constexpr (T <= PANEL) {  // more are multiply_wide's
    if (m.type == kQ8) return quantized<T, true, false, First>(m, begin, end, p, panel, out);
    if (m.zeros) return quantized<T, false, true, First>(m, begin, end, p, panel, out);
    quantized<T, false, false, First>(m, begin, end, p, panel, out);
  }
}

// Calls `Call::template of<T>(arguments...)` with T = tokens, which is at most the T that is given.
template <class Call, int T, class... Given>
static inline void with_tokens(int tokens, Given&&... given) {
  if (tokens == T) return Call::template of<T>(given...);
  if constexpr (T > 1) with_tokens<Call, T - 1>(tokens, given...);
}

template <bool First>
struct OfPanel {
  template <int T>
  static void of(const Matrix& m, int64_t begin, int64_t end, const Panels& p, int64_t panel, const Output& out) {
    panel_of<T, First>(m, begin, end, p, panel, out);
  }
};

static void multiply_panels(const Matrix& m, int64_t begin, int64_t end, const Panels& p, int64_t from, int64_t to,
                            const Output& out) {
#if WIDE_PANELS
  if (p.width > PANEL && m.quantized()) return multiply_wide(m, begin, end, p, from, to, out);
#endif
  // Tiles stay in the cache while all panels pass by them; with one panel there is nothing to keep.
  const int64_t step = to - from == 1 ? end - begin : m.quantized() ? kTogether : 1;
  for (int64_t tile = begin; tile < end; tile += step) {
    const int64_t behind = tile + step < end ? tile + step : end;
    with_tokens<OfPanel<true>, WIDE>(p.tokens_of(from), m, tile, behind, p, from, out);
    for (int64_t panel = from + 1; panel < to; panel++) {
      with_tokens<OfPanel<false>, WIDE>(p.tokens_of(panel), m, tile, behind, p, panel, out);
    }
  }
}

// ---- activations

// The 16 lanes of PARTS vectors joined into one number: by halves, always in the same order.
template <class Join>
static inline float folded(const F* parts, Join&& join) {
  F x = parts[0];
  if (PARTS == 2) x = join(x, parts[PARTS - 1]);
  if constexpr (PARTS == 1) x = join(x, exchanged<8>(x));
  x = join(x, exchanged<4>(x));
  x = join(x, exchanged<2>(x));
  x = join(x, exchanged<1>(x));
  return first(x);
}

static inline float largest(const F* parts) { return folded(parts, maximum); }
static inline float total(const F* parts) { return folded(parts, add); }

// Calls `each(part, index, vector)` for all of x; what lacks to a whole 16 is zero.
template <class Each>
static inline void visit(const float* x, int64_t n, Each&& each) {
  int64_t i = 0;
  for (; i + kTile <= n; i += kTile) {
UNROLL
    for (int part = 0; part < PARTS; part++) each(part, i + part * LANES, load(x + i + part * LANES));
  }
  if (i < n) {
    float rest[kTile] = {};
    __builtin_memcpy(rest, x + i, (n - i) * sizeof(float));
    for (int part = 0; part < PARTS; part++) each(part, i + part * LANES, load(rest + part * LANES));
  }
}

// y[i] = map(x[i]) of whole vectors; the last ones by way of a buffer.
template <class Map>
static inline void map(const float* a, const float* b, int64_t n, float* y, Map&& function) {
  int64_t i = 0;
  for (; i + LANES <= n; i += LANES) store(y + i, function(load(a + i), load(b + i)));
  if (i < n) {
    float first[LANES] = {}, second[LANES] = {};
    __builtin_memcpy(first, a + i, (n - i) * sizeof(float));
    __builtin_memcpy(second, b + i, (n - i) * sizeof(float));
    store(first, function(load(first), load(second)));
    __builtin_memcpy(y + i, first, (n - i) * sizeof(float));
  }
}

// 12582912 = 1.5 * 2^23: added to a small number it leaves the nearest whole one, halves to even, in the last bits.
static const float kRound = 12582912.0f;

// Bytes 0, 2, 4 and 6 of eight.
static inline uint32_t every_other_byte(uint64_t eight) {
  eight &= 0x00ff00ff00ff00ff;
  eight = (eight | eight >> 8) & 0x0000ffff0000ffff;
  return static_cast<uint32_t>(eight | eight >> 16);
}

static void quantise(const float* x, Panels& p, int64_t panel, int token) {
  const int width = p.tokens_of(panel);
  const int64_t blocks = p.columns / kBlock, base = panel * p.width;
  // Four neighbours, then those of the next token; for a matrix unit all of a block's, then the next token's.
  const bool wide = p.width > PANEL;
  const int64_t fours = wide ? 4 : 4 * width;
  int8_t* integers = p.integers + base * p.columns + token * (wide ? kBlock : 4);
  float* scales = p.scales + base * blocks + token;
  int32_t* minus = p.minus_sums + base * blocks + token;
  // First all blocks' largest numbers: a processor would wait for each before it could begin with the next block.
  for (int64_t b = 0; b < blocks; b++) {
    F most[PARTS];
    for (int part = 0; part < PARTS; part++) {
      const F low = load(x + b * kBlock + part * LANES), high = load(x + b * kBlock + kTile + part * LANES);
      most[part] = maximum(maximum(low, subtract(zero(), low)), maximum(high, subtract(zero(), high)));
    }
    scales[b * width] = largest(most);
  }
  for (int64_t b = 0; b < blocks; b++, x += kBlock) {
    const float top = scales[b * width];
    const float inverse = top > 1e-30f ? 127.0f / top : 0.0f;
    uint32_t rounded[kBlock], sum = kBlock * 0x4b400000u;
    for (int i = 0; i < kBlock; i += LANES) {
      store(reinterpret_cast<float*>(rounded) + i, add(multiply(load(x + i), set(inverse)), set(kRound)));
    }
    uint8_t narrow[kBlock];
    for (int i = 0; i < kBlock; i++) {
      sum -= rounded[i];
      narrow[i] = static_cast<uint8_t>(rounded[i]);
    }
    int8_t* to = integers + b * kBlock * width;
    for (int i = 0; i < kBlock; i += 8, to += 2 * fours) {
      uint64_t eight;
      __builtin_memcpy(&eight, narrow + i, 8);
      const uint32_t even = every_other_byte(eight), odd = every_other_byte(eight >> 8);
      __builtin_memcpy(to, &even, 4);
      __builtin_memcpy(to + fours, &odd, 4);
    }
    scales[b * width] = top > 1e-30f ? top / 127.0f : 0.0f;
    minus[b * width] = static_cast<int32_t>(sum);
  }
}

static void lay(const float* x, Panels& p, int64_t panel, int token) {
  const int width = p.tokens_of(panel);
  float* to = p.floats + panel * p.width * p.columns + token;
  for (int64_t c = 0; c < p.columns; c++) to[c * width] = x[c];
}

static void rms_norm(const float* x, const float* weight, float epsilon, int64_t n, float* y) {
  F squares[PARTS];
  for (int part = 0; part < PARTS; part++) squares[part] = zero();
  visit(x, n, [&](int part, int64_t, F v) { squares[part] = fused(v, v, squares[part]); });
  const F factor = set(1.0f / __builtin_sqrtf(total(squares) / static_cast<float>(n) + epsilon));
  map(x, weight, n, y, [&](F v, F w) { return multiply(multiply(v, factor), w); });
}

static void layer_norm(const float* x, const float* weight, const float* bias, float epsilon, int64_t n, float* y) {
  F sums[PARTS], squares[PARTS];
  for (int part = 0; part < PARTS; part++) sums[part] = squares[part] = zero();
  visit(x, n, [&](int part, int64_t, F v) { sums[part] = add(sums[part], v); });
  const float mean = total(sums) / static_cast<float>(n);
  const F centre = set(mean);
  map(x, x, n, y, [&](F v, F) { return subtract(v, centre); });
  visit(y, n, [&](int part, int64_t, F v) { squares[part] = fused(v, v, squares[part]); });
  const F factor = set(1.0f / __builtin_sqrtf(total(squares) / static_cast<float>(n) + epsilon));
  map(y, weight, n, y, [&](F v, F w) { return multiply(multiply(v, factor), w); });
  map(y, bias, n, y, [&](F v, F b) { return add(v, b); });
}

// e^x: the nearest power of two, and Cephes' polynomial on what is left.
static inline F exponential(F x) {
  x = minimum(maximum(x, set(-87.0f)), set(88.0f));
  const F shifted = fused(x, set(1.44269504088896341f), set(kRound));
  const F n = subtract(shifted, set(kRound));
  F r = fused(n, set(-0.693359375f), x);
  r = fused(n, set(2.12194440e-4f), r);
  F p = fused(set(1.9875691500e-4f), r, set(1.3981999507e-3f));
  p = fused(p, r, set(8.3334519073e-3f));
  p = fused(p, r, set(4.1665795894e-2f));
  p = fused(p, r, set(1.6666665459e-1f));
  p = fused(p, r, set(5.0000001201e-1f));
  p = add(fused(p, multiply(r, r), r), set(1.0f));
  return multiply(p, power_of_two(shifted));
}

static void swiglu(const float* gate, const float* up, int64_t n, float* y) {
  map(gate, up, n, y, [](F g, F u) {
    return multiply(divide(g, add(set(1.0f), exponential(subtract(zero(), g)))), u);
  });
}

// The tanh form: x / (1 + e^(-2u)), u = sqrt(2 / pi) (x + 0.044715 x^3).
static void gelu(const float* x, int64_t n, float* y) {
  map(x, x, n, y, [](F v, F) {
    const F u = multiply(multiply(v, set(-1.5957691216057308f)), fused(multiply(v, v), set(0.044715f), set(1.0f)));
    return divide(v, add(set(1.0f), exponential(u)));
  });
}

static void halve(const float* x, int64_t n, uint16_t* y) {
  int64_t i = 0;
  for (; i + LANES <= n; i += LANES) store_halves(y + i, load(x + i));
  for (; i < n; i++) y[i] = to_f16(x[i]);
}

static void rotate(float* x, const float* cosine, const float* sine, int64_t half_size) {
  for (int64_t i = 0; i < half_size; i++) {
    const float first = x[i], second = x[i + half_size];
    x[i] = first * cosine[i] - second * sine[i];
    x[i + half_size] = second * cosine[i] + first * sine[i];
  }
}

// ---- attention

// A number of the cache: float, or uint16_t for fp16.
template <class Number>
constexpr Type kStored = sizeof(Number) == 4 ? kF32 : kF16;

// sums[t][d] += sum over slots of weights[t][slot] * values[slot][d], for D vectors of dimensions. ahead: what is asked
// for meanwhile, as the values lie.
template <int T, int D, bool Ahead, class Number>
static inline void weigh(const Number* values, int64_t stride, int64_t slots, const float* weights, int64_t row,
                         float* sums, int64_t sums_stride, const Number* ahead) {
  F a[T * D];
UNROLL
  for (int i = 0; i < T * D; i++) a[i] = load(sums + i / D * sums_stride + i % D * LANES);
  for (int64_t s = 0; s < slots; s++, values += stride, ahead += stride) {
    for (int d = 0; Ahead && d < D * LANES; d += 64 / sizeof(Number)) __builtin_prefetch(ahead + d, 0, kSecond);
UNROLL
    for (int d = 0; d < D; d++) {
      const F v = stored<kStored<Number>>(reinterpret_cast<const uint8_t*>(values), d * LANES);
UNROLL
      for (int t = 0; t < T; t++) a[t * D + d] = fused(v, set(weights[t * row + s]), a[t * D + d]);
    }
  }
UNROLL
  for (int i = 0; i < T * D; i++) store(sums + i / D * sums_stride + i % D * LANES, a[i]);
}

// The same for all dimensions, D vectors at a time while there are as many, then half as many.
template <int T, int D, bool Ahead, class Number>
static inline void weigh_all(const Number* values, int64_t stride, int64_t slots, const float* weights, int64_t row,
                             float* sums, const Number* ahead, int64_t d = 0) {
  for (; d + D * LANES <= stride; d += D * LANES) {
    weigh<T, D, Ahead>(values + d, stride, slots, weights, row, sums + d, stride, ahead + d);
  }
  if constexpr (D > 1) weigh_all<T, D / 2, Ahead>(values, stride, slots, weights, row, sums, ahead, d);
}

template <class Number>
struct Columns {
  // T query columns: scores, softmax, the weighted sum of values.
  template <int T>
  SEPARATE static void of(const Attention& a, int64_t column, float* scratch) {
    // Where few queries read a whole cache it comes from memory, and one block of it lies far from the next.
    constexpr bool Ahead = T <= 4;
    constexpr int D = QUERIES / T >= 8 ? 8 : QUERIES / T >= 4 ? 4 : QUERIES / T >= 2 ? 2 : 1;
    const int64_t size = a.head_size, padded = a.value_stride;
    const int64_t stride = size * kTile * sizeof(Number);  // bytes of the keys of a tile's tokens
    float* q = scratch;                     // [dimension][T]
    float* sums = q + T * padded;           // [T][dimension]
    float* scores = sums + T * padded;      // [T][row]
    int64_t from = a.first + column / a.group;
    const int64_t to = a.first + (column + T - 1) / a.group + 1;
    from = a.window && from + 1 > a.window ? from + 1 - a.window : 0;
    const int64_t base = from / kPage * kPage, row = (to - base + kPage - 1) / kPage * kPage;
    const float* queries[T];
    for (int t = 0; t < T; t++) {
      queries[t] = a.q + (column + t) / a.group * a.q_stride + (column + t) % a.group * size;
      for (int64_t d = 0; d < size; d++) q[d * T + t] = queries[t][d] * a.scale;
    }
    for (int64_t slot = base; slot < to; slot += kPage) {
      const uint8_t* keys = a.pages[slot / kPage] + a.keys_at;
      const uint8_t* ahead = slot + kPage < to ? a.pages[slot / kPage + 1] + a.keys_at : a.pages[base / kPage] + a.values_at;
      constexpr int R = T <= 6 ? 2 : 1;
      for (int tile = 0; tile < kPage / kTile && slot + tile * kTile < to; tile += R) {
        for (int part = 0; part < PARTS; part++) {
          F found[R * T];
          const uint8_t* tiles = keys + tile * stride;
          if (Ahead && part == 0) {
            float_tiles<T, R, kStored<Number>, true>(tiles, stride, part, size, q, found, ahead + tile * stride);
          } else {
            float_tiles<T, R, kStored<Number>>(tiles, stride, part, size, q, found);
          }
          for (int i = 0; i < R * T; i++) {
            store(scores + i % T * row + slot - base + (tile + i / T) * kTile + part * LANES, found[i]);
          }
        }
      }
    }
    float inverse[T];
    for (int t = 0; t < T; t++) {
      const int64_t position = a.first + (column + t) / a.group;
      const int64_t first = a.window && position + 1 > a.window ? position + 1 - a.window : 0;
      inverse[t] = 1.0f / soften(scores + t * row, first - base, position + 1 - base, to - base);
    }
    for (int64_t i = 0; i < T * padded; i++) sums[i] = 0.0f;
    for (int64_t slot = base; slot < to; slot += kPage) {
      const int64_t slots = to - slot < kPage ? to - slot : kPage;
      const Number* values = reinterpret_cast<const Number*>(a.pages[slot / kPage] + a.values_at);
      const int64_t next = slot + kPage < to ? slot / kPage + 1 : slot / kPage;
      const Number* ahead = reinterpret_cast<const Number*>(a.pages[next] + a.values_at);
      weigh_all<T, D, Ahead>(values, padded, slots, scores + slot - base, row, sums, ahead);
    }
    for (int t = 0; t < T; t++) {
      float* y = a.out + (column + t) / a.group * a.out_stride + (column + t) % a.group * size;
      for (int64_t d = 0; d < size; d++) y[d] = sums[t * padded + d] * inverse[t];
    }
  }

  // Scores first..last become e^(score - the largest), the others up to `all` zero. Returns their sum.
  static float soften(float* scores, int64_t first, int64_t last, int64_t all) {
    const int64_t begin = first / kTile * kTile, end = (last + kTile - 1) / kTile * kTile;
    for (int64_t i = 0; i < first; i++) scores[i] = -INFINITY;
    for (int64_t i = last; i < end; i++) scores[i] = -INFINITY;
    F most[PARTS], sums[PARTS];
    for (int part = 0; part < PARTS; part++) {
      most[part] = set(-INFINITY);
      sums[part] = zero();
    }
    visit(scores + begin, end - begin, [&](int part, int64_t, F v) { most[part] = maximum(most[part], v); });
    const F top = set(largest(most));
    map(scores + begin, scores + begin, end - begin, scores + begin,
        [&](F v, F) { return exponential(subtract(v, top)); });
    for (int64_t i = 0; i < first; i++) scores[i] = 0.0f;
    for (int64_t i = last; i < end || i < all; i++) scores[i] = 0.0f;
    visit(scores + begin, end - begin, [&](int part, int64_t, F v) { sums[part] = add(sums[part], v); });
    return total(sums);
  }
};

static void attend(const Attention& a, float* scratch) {
  for (int64_t column = a.begin; column < a.end;) {
    const int64_t left = a.end - column;
    const int count = static_cast<int>(left < QUERIES ? left : QUERIES);
    if (a.whole) {
      with_tokens<Columns<float>, QUERIES>(count, a, column, scratch);
    } else {
      with_tokens<Columns<uint16_t>, QUERIES>(count, a, column, scratch);
    }
    column += count;
  }
}

static const Kernels kTable = {NAME,       PANEL,  WIDE, multiply_panels, quantise, lay,   rms_norm,
                               layer_norm, swiglu, gelu, halve,           rotate,   attend};
