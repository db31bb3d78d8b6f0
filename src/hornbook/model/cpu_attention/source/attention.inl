// The arithmetic, in vectors of LANES floats; VECTORS of them stand beside each other in a product. Included by one
// source for each kind of processor, within a namespace without a name.
//
// Scores are never held whole: 64 queries meet 64 keys at a time (FlashAttention, arXiv:2205.14135 and 2307.08691).
// All sums are floats. The base of the softmax is 2: queries are scaled by log2(e) as well.

typedef float Floats __attribute__((vector_size(4 * LANES), aligned(4), may_alias));
typedef int32_t Integers __attribute__((vector_size(4 * LANES), aligned(4), may_alias));
typedef uint32_t Bits __attribute__((vector_size(4 * LANES), aligned(4), may_alias));
typedef uint16_t Halves __attribute__((vector_size(2 * LANES), aligned(2), may_alias));

constexpr int64_t BLOCK = 64;  // queries, and keys
constexpr int ROWS = 4;
constexpr float LOG2E = 1.4426950408889634f, LN2 = 0.6931471805599453f;

static inline Floats load(const float* x) { return *reinterpret_cast<const Floats*>(x); }
static inline void store(float* x, Floats y) { *reinterpret_cast<Floats*>(x) = y; }
static inline Floats all(float x) { return x - Floats{}; }
static inline int64_t lower(int64_t a, int64_t b) { return a < b ? a : b; }

static inline float sum(Floats x) {
  float s = 0;
  for (int i = 0; i < LANES; ++i) s += x[i];
  return s;
}

// 2^x for x <= 0; 0 below 2^-126. The series of 2^f, f within a half, to the seventh power: 5e-9.
static inline Floats exp2_of(Floats x) {
  const Floats magic = all(12582912.f);  // 1.5 * 2^23: adding it rounds to a whole number
  const Floats low = all(-126.f);
  const Floats bounded = x < low ? low : x;
  const Floats rounded = bounded + magic;
  const Floats f = bounded - (rounded - magic);
  Floats y = all(1.5252733804e-5f);
  y = y * f + 1.5403530393e-4f;
  y = y * f + 1.3333558146e-3f;
  y = y * f + 9.6181291076e-3f;
  y = y * f + 5.5504108664e-2f;
  y = y * f + 2.4022650695e-1f;
  y = y * f + 6.9314718056e-1f;
  y = y * f + 1.f;
  const Integers power = (reinterpret_cast<const Integers&>(rounded) - 0x4B400000) << 23;
  const Integers moved = reinterpret_cast<const Integers&>(y) + power;
  return x < low ? Floats{} : reinterpret_cast<const Floats&>(moved);
}

static inline Floats widened(const uint16_t* x) {
  const Bits bits = __builtin_convertvector(*reinterpret_cast<const Halves*>(x), Bits) << 16;
  return reinterpret_cast<const Floats&>(bits);
}

// To the nearest, halves to even; what is not a number stays so.
static inline Halves halved(Floats x) {
  const Bits bits = reinterpret_cast<const Bits&>(x);
  const Bits rounded = (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
  return __builtin_convertvector(x == x ? rounded : (bits >> 16 | 64), Halves);
}

static inline uint16_t halved(float x) {
  uint32_t bits;
  __builtin_memcpy(&bits, &x, 4);
  return x == x ? (bits + 0x7fff + (bits >> 16 & 1)) >> 16 : (bits >> 16 | 64);
}

static inline float widened(uint16_t x) {
  const uint32_t bits = uint32_t(x) << 16;
  float y;
  __builtin_memcpy(&y, &bits, 4);
  return y;
}

// `count` vectors of one head from token `from` on, times `factor`, into rows of `width` floats; zeros fill the block.
static void gather(const Strided& x, int64_t b, int64_t h, int64_t from, int64_t count, const Rows& rows,
                   float factor, int64_t width, float* into) {
  for (int64_t t = 0; t < BLOCK; ++t, into += width) {
    int64_t d = 0;
    if (t < count) {
      const int64_t at = b * x.batch + h * x.head + (from + t) * x.time;
      if (rows.bfloat) {
        const uint16_t* y = static_cast<const uint16_t*>(x.at) + at;
        for (; d + LANES <= rows.size; d += LANES) store(into + d, widened(y + d) * factor);
        for (; d < rows.size; ++d) into[d] = widened(y[d]) * factor;
      } else {
        const float* y = static_cast<const float*>(x.at) + at;
        for (; d + LANES <= rows.size; d += LANES) store(into + d, load(y + d) * factor);
        for (; d < rows.size; ++d) into[d] = y[d] * factor;
      }
    }
    for (; d < width; ++d) into[d] = 0;
  }
}

// One vector, times `factor`, to where it belongs.
static void scatter(const float* x, float factor, const Strided& into, int64_t b, int64_t h, int64_t t, int64_t size,
                    bool bfloat) {
  const int64_t at = b * into.batch + h * into.head + t * into.time;
  int64_t d = 0;
  if (bfloat) {
    uint16_t* y = static_cast<uint16_t*>(into.at) + at;
    for (; d + LANES <= size; d += LANES) *reinterpret_cast<Halves*>(y + d) = halved(load(x + d) * factor);
    for (; d < size; ++d) y[d] = halved(x[d] * factor);
  } else {
    float* y = static_cast<float*>(into.at) + at;
    for (; d + LANES <= size; d += LANES) store(y + d, load(x + d) * factor);
    for (; d < size; ++d) y[d] = x[d] * factor;
  }
}

// (BLOCK, width) -> (width, BLOCK)
static void transpose(const float* x, int64_t width, float* y) {
  for (int64_t t = 0; t < BLOCK; ++t)
    for (int64_t d = 0; d < width; ++d) y[d * BLOCK + t] = x[t * width + d];
}

// c (ROWS, N vectors) = or += a (ROWS, depth) b (depth, N vectors). Number (i, k) of a stands at i * row + k * step.
template <int N>
static inline void tile(const float* a, int64_t row, int64_t step, const float* b, int64_t b_row, int64_t depth,
                        float* c, int64_t c_row, bool add) {
  Floats sums[ROWS][N];
  for (int i = 0; i < ROWS; ++i)
    for (int n = 0; n < N; ++n) sums[i][n] = add ? load(c + i * c_row + n * LANES) : Floats{};
  for (int64_t k = 0; k < depth; ++k) {
    Floats numbers[N];
    for (int n = 0; n < N; ++n) numbers[n] = load(b + k * b_row + n * LANES);
    for (int i = 0; i < ROWS; ++i) {
      const float x = a[i * row + k * step];
      for (int n = 0; n < N; ++n) sums[i][n] += x * numbers[n];
    }
  }
  for (int i = 0; i < ROWS; ++i)
    for (int n = 0; n < N; ++n) store(c + i * c_row + n * LANES, sums[i][n]);
}

// c (count, width) = or += a (count, depth) b (depth, width); count is rounded up to ROWS.
static void multiply(int64_t count, int64_t width, int64_t depth, const float* a, int64_t row, int64_t step,
                     const float* b, float* c, bool add) {
  int64_t n = 0;
  for (; n + VECTORS * LANES <= width; n += VECTORS * LANES)
    for (int64_t i = 0; i < count; i += ROWS)
      tile<VECTORS>(a + i * row, row, step, b + n, width, depth, c + i * width + n, width, add);
  for (; n < width; n += LANES)
    for (int64_t i = 0; i < count; i += ROWS)
      tile<1>(a + i * row, row, step, b + n, width, depth, c + i * width + n, width, add);
}

static inline int64_t first_of(const Rows& rows, int64_t b, int64_t t) {
  return rows.first ? rows.first[b * rows.first_batch + t] : 0;
}

// The first key that any of `count` queries from `from` on sees.
static int64_t first_of_all(const Rows& rows, int64_t b, int64_t from, int64_t count) {
  int64_t first = from;
  for (int64_t t = from; t < from + count; ++t) first = lower(first, first_of(rows, b, t));
  return first;
}

// -infinity for what is not seen: scores (count, BLOCK) of queries from `from` on and keys from `key` on.
static void hide(float* scores, const Rows& rows, int64_t b, int64_t from, int64_t count, int64_t key) {
  for (int64_t t = 0; t < count; ++t, scores += BLOCK) {
    const int64_t first = first_of(rows, b, from + t) - key, last = from + t - key;
    for (int64_t j = 0; j < lower(first, BLOCK); ++j) scores[j] = -__builtin_inff();
    for (int64_t j = last + 1; j < BLOCK; ++j) scores[j] = -__builtin_inff();
  }
}

static inline int64_t width_of(const Rows& rows) { return (rows.size + 15) / 16 * 16; }
static inline int64_t blocks_of(const Rows& rows) { return (rows.time + BLOCK - 1) / BLOCK; }

static int64_t forward_scratch(const Rows& rows) {
  return width_of(rows) * BLOCK * (2 * blocks_of(rows) + 2) + BLOCK * (BLOCK + 2);
}

static void forward(const Rows& rows, int64_t b, int64_t h, float* scratch) {
  const int64_t width = width_of(rows), blocks = blocks_of(rows), room = width * BLOCK;
  const int64_t kv_head = h / (rows.heads / rows.kv_heads);
  float* keys = scratch;  // each block (width, BLOCK)
  float* values = keys + blocks * room;
  float* queries = values + blocks * room;
  float* made = queries + room;
  float* scores = made + room;
  float* highest = scores + BLOCK * BLOCK;
  float* total = highest + BLOCK;
  for (int64_t block = 0, at = 0; block < blocks; ++block, at += BLOCK) {
    const int64_t count = lower(BLOCK, rows.time - at);
    gather(rows.k, b, kv_head, at, count, rows, 1, width, queries);
    transpose(queries, width, keys + block * room);
    gather(rows.v, b, kv_head, at, count, rows, 1, width, values + block * room);
  }
  for (int64_t from = 0; from < rows.time; from += BLOCK) {
    const int64_t count = lower(BLOCK, rows.time - from);
    gather(rows.q, b, h, from, count, rows, rows.scale * LOG2E, width, queries);
    for (int64_t i = 0; i < room; ++i) made[i] = 0;
    for (int64_t t = 0; t < BLOCK; ++t) highest[t] = -__builtin_inff(), total[t] = 0;
    int64_t latest = 0;
    for (int64_t t = from; t < from + count; ++t) latest = lower(-latest, -first_of(rows, b, t)) * -1;
    for (int64_t key = first_of_all(rows, b, from, count) / BLOCK * BLOCK; key <= from; key += BLOCK) {
      multiply(count, BLOCK, width, queries, width, 1, keys + key / BLOCK * room, scores, false);
      if (key == from || latest > key) hide(scores, rows, b, from, count, key);
      for (int64_t t = 0; t < BLOCK; ++t) {
        float* row = scores + t * BLOCK;
        Floats top = t < count ? load(row) : all(-__builtin_inff());
        if (t < count)
          for (int64_t j = LANES; j < BLOCK; j += LANES) top = top < load(row + j) ? load(row + j) : top;
        float peak = highest[t];
        for (int i = 0; i < LANES; ++i) peak = peak < top[i] ? top[i] : peak;
        if (peak == -__builtin_inff()) {  // it sees none of these keys, nor any before
          for (int64_t j = 0; j < BLOCK; j += LANES) store(row + j, Floats{});
          continue;
        }
        const float shrink = exp2_of(all(highest[t] - peak))[0];
        Floats added{};
        for (int64_t j = 0; j < BLOCK; j += LANES) {
          const Floats p = exp2_of(load(row + j) - peak);
          store(row + j, p);
          added += p;
        }
        total[t] = total[t] * shrink + sum(added);
        highest[t] = peak;
        if (shrink != 1)
          for (int64_t d = 0; d < width; d += LANES) store(made + t * width + d, load(made + t * width + d) * shrink);
      }
      multiply(count, width, BLOCK, scores, BLOCK, 1, values + key / BLOCK * room, made, true);
    }
    for (int64_t t = 0; t < count; ++t) {
      scatter(made + t * width, 1 / total[t], rows.y, b, h, from + t, rows.size, rows.bfloat);
      rows.log_sum[(b * rows.heads + h) * rows.time + from + t] = highest[t] + __builtin_log2f(total[t]);
    }
  }
}

static int64_t backward_scratch(const Rows& rows) {
  return width_of(rows) * BLOCK * (blocks_of(rows) + 7) + 2 * BLOCK * BLOCK + blocks_of(rows) * BLOCK;
}

// With p the weights, and dp = dy v^T: ds = p (dp - sum of dy y), dq = scale ds k, dk = scale ds^T q, dv = p^T dy.
static void backward(const Rows& rows, int64_t b, int64_t h, float* scratch) {
  const int64_t width = width_of(rows), blocks = blocks_of(rows), room = width * BLOCK;
  const int64_t kv_head = h / (rows.heads / rows.kv_heads);
  const float* log_sum = rows.log_sum + (b * rows.heads + h) * rows.time;
  float* dq = scratch;
  float* keys = dq + blocks * room;
  float* keys_turned = keys + room;
  float* values_turned = keys_turned + room;
  float* dk = values_turned + room;
  float* dv = dk + room;
  float* queries = dv + room;
  float* dy = queries + room;
  float* weights = dy + room;
  float* ds = weights + BLOCK * BLOCK;
  float* inner = ds + BLOCK * BLOCK;  // of dy and y
  for (int64_t from = 0; from < rows.time; from += BLOCK) {
    const int64_t count = lower(BLOCK, rows.time - from);
    gather(rows.dy, b, h, from, count, rows, 1, width, dy);
    gather(rows.y, b, h, from, count, rows, 1, width, queries);
    for (int64_t t = 0; t < BLOCK; ++t) {
      Floats added{};
      for (int64_t d = 0; d < width; d += LANES) added += load(dy + t * width + d) * load(queries + t * width + d);
      inner[from + t] = sum(added);
    }
  }
  for (int64_t i = 0; i < blocks * room; ++i) dq[i] = 0;
  for (int64_t key = 0; key < rows.time; key += BLOCK) {
    const int64_t here = lower(BLOCK, rows.time - key);
    gather(rows.v, b, kv_head, key, here, rows, 1, width, keys);
    transpose(keys, width, values_turned);
    gather(rows.k, b, kv_head, key, here, rows, 1, width, keys);
    transpose(keys, width, keys_turned);
    for (int64_t i = 0; i < room; ++i) dk[i] = dv[i] = 0;
    for (int64_t from = key; from < rows.time; from += BLOCK) {
      const int64_t count = lower(BLOCK, rows.time - from);
      if (first_of_all(rows, b, from, count) >= key + BLOCK) continue;
      gather(rows.q, b, h, from, count, rows, rows.scale * LOG2E, width, queries);
      gather(rows.dy, b, h, from, count, rows, 1, width, dy);
      multiply(count, BLOCK, width, queries, width, 1, keys_turned, weights, false);
      hide(weights, rows, b, from, count, key);
      multiply(count, BLOCK, width, dy, width, 1, values_turned, ds, false);
      for (int64_t t = 0; t < BLOCK; ++t)
        for (int64_t j = t * BLOCK; j < (t + 1) * BLOCK; j += LANES) {
          const Floats p = t < count ? exp2_of(load(weights + j) - log_sum[from + t]) : Floats{};
          store(weights + j, p);
          store(ds + j, t < count ? p * (load(ds + j) - inner[from + t]) : Floats{});
        }
      multiply(BLOCK, width, count, weights, 1, BLOCK, dy, dv, true);
      multiply(BLOCK, width, count, ds, 1, BLOCK, queries, dk, true);
      multiply(count, width, BLOCK, ds, BLOCK, 1, keys, dq + from * width, true);
    }
    for (int64_t t = 0; t < here; ++t) {
      scatter(dk + t * width, LN2, rows.dk, b, h, key + t, rows.size, false);
      scatter(dv + t * width, 1, rows.dv, b, h, key + t, rows.size, false);
    }
  }
  for (int64_t t = 0; t < rows.time; ++t)
    scatter(dq + t * width, rows.scale, rows.dq, b, h, t, rows.size, rows.bfloat);
}

const AttentionKernels kTable = {NAME, forward_scratch, backward_scratch, forward, backward};
