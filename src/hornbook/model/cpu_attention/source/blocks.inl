// Blocks of BLOCK tokens: how they are read, turned, multiplied and written. Included by one source for each kind of
// processor, after what its products are made of: `Number`, which holds PAIR steps of a sum, `multiplied`, `rows_of` and
// `pairs_of`. VECTORS vectors of LANES floats stand beside each other in a product.

constexpr int64_t BLOCK = 64;  // queries, and keys
constexpr int ROWS = 4;

static inline int64_t lower(int64_t a, int64_t b) { return a < b ? a : b; }

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
