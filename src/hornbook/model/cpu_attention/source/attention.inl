// Attention and its gradients, of one head of one row. Included by one source for each kind of processor.
//
// Scores are never held whole: 64 queries meet 64 keys at a time (FlashAttention, arXiv:2205.14135 and 2307.08691).
// All sums are floats. The base of the softmax is 2: scores are scaled by log2(e) as well.

constexpr float LOG2E = 1.4426950408889634f;

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

// Whether this head's query at `from` sees of the key at `key` what is not later: blocksparse/rule.py has the rule. It is
// the same for the 64 queries and the 64 keys from these on.
static inline bool meets(const Rows& rows, int64_t h, int64_t from, int64_t key) {
  if (!rows.block) return true;
  const int64_t q = from / rows.block, k = key / rows.block;
  return q - k < rows.local_blocks || (k + h * rows.step + 1) % rows.stride == 0;
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
      if (!meets(rows, h, from, key)) continue;
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
  Number* query_rows = numbers(room);
  Number* query_pairs = numbers(room);
  Number* dy_rows = numbers(room);
  Number* dy_pairs = numbers(room);
  Number* weight_pairs = numbers(BLOCK * BLOCK);
  Number* ds_pairs = numbers(BLOCK * BLOCK);
  Number* ds_rows = numbers(BLOCK * BLOCK);
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
      if (seen.earliest >= key + BLOCK || !meets(rows, h, from, key)) continue;
      gather(rows.q, b, h, from, count, rows, width, block);
      gather(rows.dy, b, h, from, count, rows, width, dy);
      multiply(count, BLOCK, width, rows_of(block, BLOCK, width, query_rows), width / PAIR, 1, keys_turned, weights,
               false);
      if (key == from || seen.latest > key) hide(weights, rows, b, from, count, key);
      multiply(count, BLOCK, width, rows_of(dy, BLOCK, width, dy_rows), width / PAIR, 1, values_turned, ds, false);
      for (int64_t t = 0; t < BLOCK; ++t)
        for (int64_t j = t * BLOCK; j < (t + 1) * BLOCK; j += LANES) {
          const Floats p = t < count ? exp2_of(load(weights + j) * scale - log_sum[from + t]) : Floats{};
          store(weights + j, p);
          store(ds + j, t < count ? p * (load(ds + j) - inner[from + t]) : Floats{});
        }
      multiply(BLOCK, width, count, pairs_of(weights, BLOCK, BLOCK, weight_pairs), 1, BLOCK,
               pairs_of(dy, BLOCK, width, dy_pairs), dv, true);
      multiply(BLOCK, width, count, pairs_of(ds, BLOCK, BLOCK, ds_pairs), 1, BLOCK,
               pairs_of(block, BLOCK, width, query_pairs), dk, true);
      multiply(count, width, BLOCK, rows_of(ds, BLOCK, BLOCK, ds_rows), BLOCK / PAIR, 1, keys, dq + from * width,
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
