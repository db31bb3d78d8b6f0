// The arithmetic, in vectors of LANES floats; VECTORS of them stand beside each other in a product. Included by one
// source for each kind of processor, within a namespace without a name, after what its products are made of: `Number`,
// which holds PAIR steps of a sum, `multiplied`, `rows_of` and `pairs_of`.
//
// Scores are never held whole: 64 queries meet 64 keys at a time (FlashAttention, arXiv:2205.14135 and 2307.08691).
// All sums are floats. The base of the softmax is 2: scores are scaled by log2(e) as well.

constexpr int64_t BLOCK = 64;  // queries, and keys
constexpr int ROWS = 4;
constexpr float LOG2E = 1.4426950408889634f, LN2 = 0.6931471805599453f;

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

// `count` vectors of one head from token `from` on, into rows of `width` floats; zeros fill the block.
static void gather(const Strided& x, int64_t b, int64_t h, int64_t from, int64_t count, const Rows& rows, int64_t width,
                   float* into) {
  for (int64_t t = 0; t < BLOCK; ++t, into += width) {
    int64_t d = 0;
    if (t < count) {
      const int64_t at = b * x.batch + h * x.head + (from + t) * x.time;
      if (rows.bfloat) {
        const uint16_t* y = static_cast<const uint16_t*>(x.at) + at;
        for (; d + LANES <= rows.size; d += LANES) store(into + d, widened(y + d));
        for (; d < rows.size; ++d) into[d] = widened(y[d]);
      } else {
        const float* y = static_cast<const float*>(x.at) + at;
        for (; d + LANES <= rows.size; d += LANES) store(into + d, load(y + d));
        for (; d < rows.size; ++d) into[d] = y[d];
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

// c (ROWS, N vectors) = or += a b, over `depth` numbers. Number (i, k) of a stands at i * row + k * step.
template <int N>
static inline void tile(const Number* a, int64_t row, int64_t step, const Number* b, int64_t b_row, int64_t depth,
                        float* c, int64_t c_row, bool add) {
  Floats sums[ROWS][N];
  for (int i = 0; i < ROWS; ++i)
    for (int n = 0; n < N; ++n) sums[i][n] = add ? load(c + i * c_row + n * LANES) : Floats{};
  for (int64_t k = 0; k < depth; ++k) {
    Numbers numbers[N];
    for (int n = 0; n < N; ++n) numbers[n] = *reinterpret_cast<const Numbers*>(b + k * b_row + n * LANES);
    for (int i = 0; i < ROWS; ++i) {
      const Number x = a[i * row + k * step];
      for (int n = 0; n < N; ++n) sums[i][n] = multiplied(sums[i][n], x, numbers[n]);
    }
  }
  for (int i = 0; i < ROWS; ++i)
    for (int n = 0; n < N; ++n) store(c + i * c_row + n * LANES, sums[i][n]);
}

// c (count, width) = or += a (count, depth) b (depth, width). count is rounded up to ROWS, depth to PAIR: there a has 0.
static void multiply(int64_t count, int64_t width, int64_t depth, const Number* a, int64_t row, int64_t step,
                     const Number* b, float* c, bool add) {
  depth = (depth + PAIR - 1) / PAIR;
  int64_t n = 0;
  for (; n + VECTORS * LANES <= width; n += VECTORS * LANES)
    for (int64_t i = 0; i < count; i += ROWS)
      tile<VECTORS>(a + i * row, row, step, b + n, width, depth, c + i * width + n, width, add);
  for (; n < width; n += LANES)
    for (int64_t i = 0; i < count; i += ROWS)
      tile<1>(a + i * row, row, step, b + n, width, depth, c + i * width + n, width, add);
}

static void copy_pairs(const float* x, int64_t count, int64_t width, Number* into) {
  const Number* pairs = pairs_of(x, count, width, into);
  if (pairs != into) __builtin_memcpy(into, pairs, count * width / PAIR * sizeof(Number));
}

static inline int64_t first_of(const Rows& rows, int64_t b, int64_t t) {
  return rows.first ? rows.first[b * rows.first_batch + t] : 0;
}

// The first keys that `count` queries from `from` on see: the earliest and the latest of them.
struct Seen {
  int64_t earliest, latest;
};
static Seen seen_by(const Rows& rows, int64_t b, int64_t from, int64_t count) {
  Seen seen = {from + count, 0};
  for (int64_t t = from; t < from + count; ++t) {
    const int64_t first = first_of(rows, b, t);
    seen.earliest = lower(seen.earliest, first);
    seen.latest = first > seen.latest ? first : seen.latest;
  }
  return seen;
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

// Floats, or numbers, that what follows needs.
static int64_t forward_scratch(const Rows& rows) {
  return width_of(rows) * BLOCK * (2 * blocks_of(rows) + 4) + BLOCK * (2 * BLOCK + 2);
}

static void forward(const Rows& rows, int64_t b, int64_t h, float* scratch) {
  const int64_t width = width_of(rows), blocks = blocks_of(rows), room = width * BLOCK;
  const int64_t kv_head = h / (rows.heads / rows.kv_heads);
  const float scale = rows.scale * LOG2E;
  const auto take = [&](int64_t floats) { return (scratch += floats) - floats; };
  const auto numbers = [&](int64_t count) { return reinterpret_cast<Number*>(take(count)); };
  Number* keys = numbers(blocks * room);  // each block (width, BLOCK)
  Number* values = numbers(blocks * room);
  float* block = take(room);
  float* turned = take(room);
  Number* query_room = numbers(room);
  float* made = take(room);
  float* scores = take(BLOCK * BLOCK);
  Number* weight_room = numbers(BLOCK * BLOCK);
  float* highest = take(BLOCK);
  float* total = take(BLOCK);
  for (int64_t at = 0; at < rows.time; at += BLOCK) {
    const int64_t count = lower(BLOCK, rows.time - at);
    gather(rows.k, b, kv_head, at, count, rows, width, block);
    transpose(block, width, turned);
    copy_pairs(turned, width, BLOCK, keys + at * width);
    gather(rows.v, b, kv_head, at, count, rows, width, block);
    copy_pairs(block, BLOCK, width, values + at * width);
  }
  for (int64_t from = 0; from < rows.time; from += BLOCK) {
    const int64_t count = lower(BLOCK, rows.time - from);
    gather(rows.q, b, h, from, count, rows, width, block);
    const Number* queries = rows_of(block, BLOCK, width, query_room);
    for (int64_t i = 0; i < room; ++i) made[i] = 0;
    for (int64_t t = 0; t < BLOCK; ++t) highest[t] = -__builtin_inff(), total[t] = 0;
    const Seen seen = seen_by(rows, b, from, count);
    for (int64_t key = seen.earliest / BLOCK * BLOCK; key <= from; key += BLOCK) {
      multiply(count, BLOCK, width, queries, width / PAIR, 1, keys + key * width, scores, false);
      if (key == from || seen.latest > key) hide(scores, rows, b, from, count, key);
      for (int64_t t = 0; t < BLOCK; ++t) {
        float* row = scores + t * BLOCK;
        Floats top = t < count ? load(row) : all(-__builtin_inff());
        if (t < count)
          for (int64_t j = LANES; j < BLOCK; j += LANES) top = top < load(row + j) ? load(row + j) : top;
        float peak = highest[t];
        for (int i = 0; i < LANES; ++i) peak = peak < top[i] * scale ? top[i] * scale : peak;
        if (peak == -__builtin_inff()) {  // it sees none of these keys, nor any before
          for (int64_t j = 0; j < BLOCK; j += LANES) store(row + j, Floats{});
          continue;
        }
        const float shrink = exp2_of(all(highest[t] - peak))[0];
        Floats added{};
        for (int64_t j = 0; j < BLOCK; j += LANES) {
          const Floats p = exp2_of(load(row + j) * scale - peak);
          store(row + j, p);
          added += p;
        }
        total[t] = total[t] * shrink + sum(added);
        highest[t] = peak;
        if (shrink != 1)
          for (int64_t d = 0; d < width; d += LANES) store(made + t * width + d, load(made + t * width + d) * shrink);
      }
      const Number* weights = rows_of(scores, BLOCK, BLOCK, weight_room);
      multiply(count, width, BLOCK, weights, BLOCK / PAIR, 1, values + key * width, made, true);
    }
    for (int64_t t = 0; t < count; ++t) {
      scatter(made + t * width, 1 / total[t], rows.y, b, h, from + t, rows.size, rows.bfloat);
      rows.log_sum[(b * rows.heads + h) * rows.time + from + t] = highest[t] + __builtin_log2f(total[t]);
    }
  }
}

static int64_t backward_scratch(const Rows& rows) {
  return width_of(rows) * BLOCK * (blocks_of(rows) + 13) + 5 * BLOCK * BLOCK + blocks_of(rows) * BLOCK;
}

// With p the weights, and dp = dy v^T: ds = p (dp - sum of dy y), dq = scale ds k, dk = scale ds^T q, dv = p^T dy.
static void backward(const Rows& rows, int64_t b, int64_t h, float* scratch) {
  const int64_t width = width_of(rows), blocks = blocks_of(rows), room = width * BLOCK;
  const int64_t kv_head = h / (rows.heads / rows.kv_heads);
  const float scale = rows.scale * LOG2E;
  const float* log_sum = rows.log_sum + (b * rows.heads + h) * rows.time;
  const auto take = [&](int64_t floats) { return (scratch += floats) - floats; };
  const auto numbers = [&](int64_t count) { return reinterpret_cast<Number*>(take(count)); };
  float* dq = take(blocks * room);
  float* inner = take(blocks * BLOCK);  // of dy and y
  float* block = take(room);
  float* turned = take(room);
  float* dy = take(room);
  float* dk = take(room);
  float* dv = take(room);
  float* weights = take(BLOCK * BLOCK);
  float* ds = take(BLOCK * BLOCK);
  Number* keys = numbers(room);
  Number* keys_turned = numbers(room);
  Number* values_turned = numbers(room);
  Number* rooms[7];
  for (int i = 0; i < 4; ++i) rooms[i] = numbers(room);
  for (int i = 4; i < 7; ++i) rooms[i] = numbers(BLOCK * BLOCK);
  for (int64_t from = 0; from < rows.time; from += BLOCK) {
    const int64_t count = lower(BLOCK, rows.time - from);
    gather(rows.dy, b, h, from, count, rows, width, dy);
    gather(rows.y, b, h, from, count, rows, width, block);
    for (int64_t t = 0; t < BLOCK; ++t) {
      Floats added{};
      for (int64_t d = 0; d < width; d += LANES) added += load(dy + t * width + d) * load(block + t * width + d);
      inner[from + t] = sum(added);
    }
  }
  for (int64_t i = 0; i < blocks * room; ++i) dq[i] = 0;
  for (int64_t key = 0; key < rows.time; key += BLOCK) {
    const int64_t here = lower(BLOCK, rows.time - key);
    gather(rows.v, b, kv_head, key, here, rows, width, block);
    transpose(block, width, turned);
    copy_pairs(turned, width, BLOCK, values_turned);
    gather(rows.k, b, kv_head, key, here, rows, width, block);
    transpose(block, width, turned);
    copy_pairs(turned, width, BLOCK, keys_turned);
    copy_pairs(block, BLOCK, width, keys);
    for (int64_t i = 0; i < room; ++i) dk[i] = dv[i] = 0;
    for (int64_t from = key; from < rows.time; from += BLOCK) {
      const int64_t count = lower(BLOCK, rows.time - from);
      const Seen seen = seen_by(rows, b, from, count);
      if (seen.earliest >= key + BLOCK) continue;
      gather(rows.q, b, h, from, count, rows, width, block);
      gather(rows.dy, b, h, from, count, rows, width, dy);
      multiply(count, BLOCK, width, rows_of(block, BLOCK, width, rooms[0]), width / PAIR, 1, keys_turned, weights,
               false);
      if (key == from || seen.latest > key) hide(weights, rows, b, from, count, key);
      multiply(count, BLOCK, width, rows_of(dy, BLOCK, width, rooms[1]), width / PAIR, 1, values_turned, ds, false);
      for (int64_t t = 0; t < BLOCK; ++t)
        for (int64_t j = t * BLOCK; j < (t + 1) * BLOCK; j += LANES) {
          const Floats p = t < count ? exp2_of(load(weights + j) * scale - log_sum[from + t]) : Floats{};
          store(weights + j, p);
          store(ds + j, t < count ? p * (load(ds + j) - inner[from + t]) : Floats{});
        }
      multiply(BLOCK, width, count, pairs_of(weights, BLOCK, BLOCK, rooms[4]), 1, BLOCK,
               pairs_of(dy, BLOCK, width, rooms[2]), dv, true);
      multiply(BLOCK, width, count, pairs_of(ds, BLOCK, BLOCK, rooms[5]), 1, BLOCK,
               pairs_of(block, BLOCK, width, rooms[3]), dk, true);
      multiply(count, width, BLOCK, rows_of(ds, BLOCK, BLOCK, rooms[6]), BLOCK / PAIR, 1, keys, dq + from * width,
               true);
    }
    for (int64_t t = 0; t < here; ++t) {
      scatter(dk + t * width, rows.scale, rows.dk, b, h, key + t, rows.size, false);
      scatter(dv + t * width, 1, rows.dv, b, h, key + t, rows.size, false);
    }
  }
  for (int64_t t = 0; t < rows.time; ++t)
    scatter(dq + t * width, rows.scale, rows.dq, b, h, t, rows.size, rows.bfloat);
}

const AttentionKernels kTable = {NAME, forward_scratch, backward_scratch, forward, backward};
