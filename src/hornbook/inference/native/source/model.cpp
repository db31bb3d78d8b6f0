// One step of the model, from ids to logits.
#include "model.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstring>
#include <utility>

namespace hornbook {

namespace {

constexpr int64_t kStep = 256;              // tokens that pass through the layers together
constexpr int64_t kTurned = 16;             // tokens whose queries and keys a thread turns at a time
constexpr int64_t kWorthMeeting = 1 << 16;  // bytes of weights, times panels, below which one thread is as fast

int64_t up_to(int64_t n, int64_t multiple) { return (n + multiple - 1) / multiple * multiple; }

template <class T>
void grow(std::vector<T>& buffer, int64_t size) {
  if (static_cast<int64_t>(buffer.size()) < size) buffer.resize(size);
}

}  // namespace

Model::Model(const Shape& given, const int64_t* windows, const float* short_turns, const float* long_turns,
             const float* plain_turns, int64_t blocks, const Kernels* kernels, int threads)
    : shape(given), layers_(given.layers), kernels_(kernels), pool_(threads) {
  pages_.resize(blocks);
  for (int64_t index = 0; index < given.layers; index++) layers_[index].window = windows[index];
  const int64_t pairs = given.rotary_size / 2;
  turns_[0].assign(short_turns, short_turns + pairs);
  turns_[1].assign(long_turns, long_turns + pairs);
  turns_[2].assign(plain_turns, plain_turns + pairs);
  scratch_.resize(pool_.threads());
}

bool Model::pack_rows(Matrix& m, int64_t first, int64_t count, const void* values, const void* scales,
                      const void* zeros) {
  constexpr int64_t kRows = 64;
  const int64_t groups = m.columns / m.group;
  const int64_t row = m.type == kF32 ? 4 * m.columns : m.type == kQ4 ? m.columns / 2 : m.columns * (m.quantized() ? 1 : 2);
  std::atomic<bool> finite{true};
  pool_.run((count + kRows - 1) / kRows, false, [&](int64_t piece, int) {
    const int64_t from = piece * kRows, rows = std::min(kRows, count - from);
    const auto at = [&](const void* base, int64_t bytes) {
      return base ? static_cast<const uint8_t*>(base) + from * bytes : nullptr;
    };
    if (!pack(m, first + from, rows, at(values, row), at(scales, groups * 2), at(zeros, groups))) finite = false;
  });
  return finite;
}

// Of a number in the cache: fp32 or fp16.
int64_t Model::number_bytes() const { return shape.whole_cache ? 4 : 2; }

// What keys and values of a block's tokens take in one head of a layer.
int64_t Model::head_bytes() const {
  return kPage * number_bytes() * (shape.head_size + up_to(shape.head_size, kTile));
}

// Keys and values of a block's tokens in all layers. They begin as zeros, of which the system keeps none until they are
// written: what a query does not see has a weight of zero, and must not be what is no number.
uint8_t* Model::page(int64_t block) {
  if (!pages_[block]) {
    pages_[block] = arena_.take(shape.layers * shape.kv_heads * head_bytes());
    if (!pages_[block]) throw std::bad_alloc();
  }
  return pages_[block];
}

void Model::read(const Part* parts, int64_t count, float* into) {
  std::vector<Run> runs;
  std::vector<int32_t> together;
  std::vector<int64_t> wanted;
  const auto flush = [&] {
    if (runs.empty()) return;
    step(std::move(runs), together, wanted);
    if (!wanted.empty()) logits(static_cast<int64_t>(wanted.size()), into);
    into += static_cast<int64_t>(wanted.size()) * shape.vocabulary;
    runs.clear();
    together.clear();
    wanted.clear();
  };
  for (const Part* part = parts; part < parts + count; part++) {
    for (int64_t done = 0; done < part->count;) {
      const int64_t at = static_cast<int64_t>(together.size()), taken = std::min(kStep - at, part->count - done);
      const int64_t first = part->start + done;
      Run run{at, taken, first, part->extended != 0, {}};
      for (int64_t block = 0; block * kPage < first + taken; block++) run.pages.push_back(page(part->blocks[block]));
      runs.push_back(std::move(run));
      for (int64_t i = done; i < done + taken; i++) {
        if (part->wanted == 2 || (part->wanted == 1 && i + 1 == part->count)) wanted.push_back(at + i - done);
        together.push_back(part->ids[i]);
      }
      done += taken;
      if (static_cast<int64_t>(together.size()) == kStep) flush();
    }
  }
  flush();
}

float* Model::scratch(int thread, int64_t floats) {
  grow(scratch_[thread], floats);
  return scratch_[thread].data();
}

// Cosine and sine of a position's angles: (2, rotary_size / 2).
const float* Model::angles(int64_t position, bool extended) {
  std::vector<float>& table = angles_[extended];
  const int64_t pairs = shape.rotary_size / 2;
  const float scale = extended ? shape.long_scale : shape.short_scale;
  while (static_cast<int64_t>(table.size()) < (position + 1) * 2 * pairs) {
    const int64_t next = static_cast<int64_t>(table.size()) / (2 * pairs);
    const std::vector<float>& turns = turns_[next < shape.start_tokens ? 2 : extended];
    for (int part = 0; part < 2; part++) {
      for (int64_t i = 0; i < pairs; i++) {
        const double angle = static_cast<float>(next) * turns[i];
        table.push_back(static_cast<float>(part ? std::sin(angle) : std::cos(angle)) * scale);
      }
    }
  }
  return table.data() + position * 2 * pairs;
}

// Lay out what a product reads: row(token, into) writes a token's vector.
template <class Row>
void Model::prepare(int64_t tokens, int64_t columns, bool integers, bool floats, Row&& row) {
  const int most = tokens < kMany ? kernels_->panel : kernels_->wide;
  const int64_t count = std::max<int64_t>(1, (tokens + most - 1) / most);
  panels_.width = static_cast<int>((tokens + count - 1) / count);  // all about as wide: 4 and 4 rather than 6 and 2
  panels_.tokens = tokens;
  panels_.columns = columns;
  const int64_t numbers = tokens * columns, blocks = tokens * (columns / kBlock);
  if (integers) {
    grow(integers_, numbers + kBlock * kTile);  // tiles of a last, narrower panel reach beyond it
    grow(scales_, blocks);
    grow(minus_sums_, blocks);
  }
  if (floats) grow(floats_, numbers);
  panels_.integers = integers_.data();
  panels_.scales = scales_.data();
  panels_.minus_sums = minus_sums_.data();
  panels_.floats = floats_.data();
  pool_.run(panels_.count(), numbers < 8192, [&](int64_t panel, int thread) {
    float* vector = scratch(thread, columns);
    for (int t = 0; t < panels_.tokens_of(panel); t++) {
      row(panel * panels_.width + t, vector);
      if (integers) kernels_->quantise(vector, panels_, panel, t);
      if (floats) kernels_->lay(vector, panels_, panel, t);
    }
  });
}

// y[token][row] = the matrix times what `prepare` laid out.
void Model::multiply(const Matrix& m, const std::vector<float>& bias, bool add, float* y) {
  const Output out{y, m.rows, bias.empty() ? nullptr : bias.data(), add};
  const int64_t panels = panels_.count(), whole = m.tiles * static_cast<int64_t>(m.stride) * panels;
  // Pieces of some 128 kB of weights, or of what passes by the panels together, and at least some for each
  // thread; in fours or twos, as kernels take them.
  int64_t tiles = panels > 1 ? kTogether : std::max<int64_t>(1, (128 << 10) / static_cast<int64_t>(m.stride));
  tiles = std::min(tiles, std::max<int64_t>(1, m.tiles / (4 * pool_.threads())));
  if (tiles > 2) tiles -= tiles % (tiles > 4 ? 4 : 2);
  pool_.run((m.tiles + tiles - 1) / tiles, whole < kWorthMeeting, [&](int64_t piece, int) {
    const int64_t begin = piece * tiles;
    kernels_->multiply(m, begin, std::min(begin + tiles, m.tiles), panels_, 0, panels, out);
  });
}

void Model::product(const Matrix& m, int64_t tokens, const float* x, float* y) {
  prepare(tokens, m.columns, m.quantized(), !m.quantized(), [&](int64_t token, float* into) {
    std::memcpy(into, x + token * m.columns, m.columns * sizeof(float));
  });
  multiply(m, {}, false, y);
}

void Model::normed(const Layer& layer, Slot slot, const float* x, float* y) const {
  const float* weight = layer.weights[slot].data();
  if (shape.layer_norm) {
    kernels_->layer_norm(x, weight, layer.biases[slot].data(), shape.norm_epsilon, shape.width, y);
  } else {
    kernels_->rms_norm(x, weight, shape.norm_epsilon, shape.width, y);
  }
}

// Read ids into the cache; the vectors of those tokens of which logits are wanted come to lie first in x_.
void Model::step(std::vector<Run> runs, const std::vector<int32_t>& ids, const std::vector<int64_t>& wanted) {
  int64_t tokens = static_cast<int64_t>(ids.size());
  const int64_t width = shape.width, inner = shape.mlp_width;
  const int64_t heads = shape.heads * shape.head_size, qkv = heads + 2 * shape.kv_heads * shape.head_size;
  const int64_t up = shape.gelu ? inner : 2 * inner;
  grow(x_, tokens * width);
  grow(q_, tokens * (qkv + heads));
  grow(up_, tokens * up);
  float* x = x_.data();
  for (int64_t token = 0; token < tokens; token++) {
    unpack(globals_.matrices[kEmbed], ids[token], x + token * width);
    if (shape.embedding_scale != 1.0f) {
      for (int64_t i = 0; i < width; i++) x[token * width + i] *= shape.embedding_scale;
    }
  }
  for (const Run& run : runs) angles(run.first + run.count - 1, run.extended);
  for (int64_t index = 0; index < shape.layers; index++) {
    const Layer& layer = layers_[index];
    const bool side_by_side = shape.parallel;
    bool integers = layer.matrices[kQkv].quantized(), floats = !integers;
    if (side_by_side) {
      integers = integers || layer.matrices[kUp].quantized();
      floats = floats || !layer.matrices[kUp].quantized();
    }
    const auto norm = [&](int64_t token, float* into) { normed(layer, kAttentionNorm, x + token * width, into); };
    prepare(tokens, width, integers, floats, norm);
    multiply(layer.matrices[kQkv], layer.biases[kQkv], false, q_.data());
    for (const Run& run : runs) {
      pool_.run((run.count + kTurned - 1) / kTurned, run.count * qkv < kWorthMeeting, [&](int64_t piece, int) {
        turn(index, run, piece * kTurned, std::min(run.count, (piece + 1) * kTurned));
      });
    }
    if (index + 1 == shape.layers && static_cast<int64_t>(wanted.size()) < tokens) {
      if (wanted.empty()) return;
      runs = keep(runs, wanted);
      tokens = static_cast<int64_t>(wanted.size());
      if (side_by_side) prepare(tokens, width, integers, floats, norm);
    }
    if (side_by_side) multiply(layer.matrices[kUp], layer.biases[kUp], false, up_.data());
    attention(layer, index, runs, tokens);
    const float* attended = q_.data() + tokens * qkv;
    const Matrix& out = layer.matrices[kOut];
    prepare(tokens, heads, out.quantized(), !out.quantized(), [&](int64_t token, float* into) {
      std::memcpy(into, attended + token * heads, heads * sizeof(float));
    });
    multiply(out, layer.biases[kOut], true, x);
    if (!side_by_side) {
      const Matrix& first = layer.matrices[kUp];
      prepare(tokens, width, first.quantized(), !first.quantized(),
              [&](int64_t token, float* into) { normed(layer, kMlpNorm, x + token * width, into); });
      multiply(first, layer.biases[kUp], false, up_.data());
    }
    const Matrix& down = layer.matrices[kDown];
    prepare(tokens, inner, down.quantized(), !down.quantized(), [&](int64_t token, float* into) {
      const float* gate = up_.data() + token * up;
      shape.gelu ? kernels_->gelu(gate, inner, into) : kernels_->swiglu(gate, gate + inner, inner, into);
    });
    multiply(down, layer.biases[kDown], true, x);
  }
}

// Behind the last layer's keys and values only those tokens count of which logits are wanted: put their vectors and
// queries first. Returns the runs that they make.
std::vector<Model::Run> Model::keep(const std::vector<Run>& runs, const std::vector<int64_t>& wanted) {
  const int64_t width = shape.width, row = (shape.heads + 2 * shape.kv_heads) * shape.head_size;
  std::vector<Run> kept;
  size_t run = 0, last = runs.size();  // the run of the token before
  int64_t at = 0;
  for (const int64_t token : wanted) {
    while (token >= runs[run].at + runs[run].count) run++;
    const int64_t position = runs[run].first + token - runs[run].at;
    std::memmove(x_.data() + at * width, x_.data() + token * width, width * sizeof(float));
    std::memmove(q_.data() + at * row, q_.data() + token * row, row * sizeof(float));
    if (run == last && kept.back().first + kept.back().count == position) {
      kept.back().count++;
    } else {
      kept.push_back({at, 1, position, runs[run].extended, runs[run].pages});
    }
    last = run;
    at++;
  }
  return kept;
}

// Turn queries and keys of tokens begin..end of a run by their positions, and put keys and values into their pages.
void Model::turn(int64_t index, const Run& run, int64_t begin, int64_t end) {
  const int64_t size = shape.head_size, padded = up_to(size, kTile), half = shape.rotary_size / 2;
  const int64_t heads = shape.heads, kv_heads = shape.kv_heads, row = (heads + 2 * kv_heads) * size;
  std::vector<uint16_t> halves(size);
  for (int64_t t = begin; t < end; t++) {
    float* q = q_.data() + (run.at + t) * row;
    const int64_t position = run.first + t, slot = position % kPage;
    const float* cosine = angles_[run.extended].data() + position * 2 * half;
    for (int64_t head = 0; head < heads + kv_heads; head++) kernels_->rotate(q + head * size, cosine, cosine + half, half);
    uint8_t* page = run.pages[position / kPage];
    for (int64_t head = 0; head < kv_heads; head++) {
      uint8_t* at = page + (index * kv_heads + head) * head_bytes();
      const int64_t key = slot / kTile * size * kTile + slot % kTile, value = kPage * size + slot * padded;
      const float* k = q + (heads + head) * size;
      const float* v = q + (heads + kv_heads + head) * size;
      if (shape.whole_cache) {
        float* keys = reinterpret_cast<float*>(at) + key;
        for (int64_t d = 0; d < size; d++) keys[d * kTile] = k[d];
        std::memcpy(reinterpret_cast<float*>(at) + value, v, size * sizeof(float));
        continue;
      }
      uint16_t* keys = reinterpret_cast<uint16_t*>(at) + key;
      kernels_->halve(k, size, halves.data());
      for (int64_t d = 0; d < size; d++) keys[d * kTile] = halves[d];
      kernels_->halve(v, size, reinterpret_cast<uint16_t*>(at) + value);
    }
  }
}

void Model::attention(const Layer& layer, int64_t index, const std::vector<Run>& runs, int64_t tokens) {
  constexpr int64_t kColumns = 48;  // queries of a piece
  const int64_t size = shape.head_size, padded = up_to(size, kTile), heads = shape.heads, kv_heads = shape.kv_heads;
  const int64_t group = heads / kv_heads, row = (heads + 2 * kv_heads) * size;
  float* attended = q_.data() + tokens * row;
  struct Piece {
    const Run* run;
    int64_t head, begin, end;
  };
  std::vector<Piece> pieces;
  int64_t work = 0;
  for (const Run& run : runs) {
    const int64_t columns = run.count * group;
    work += run.count * (run.first + run.count) * heads * size;
    for (int64_t head = 0; head < kv_heads; head++) {
      for (int64_t begin = 0; begin < columns; begin += kColumns) {
        pieces.push_back({&run, head, begin, std::min(begin + kColumns, columns)});
      }
    }
  }
  pool_.run(static_cast<int64_t>(pieces.size()), work < kWorthMeeting, [&](int64_t number, int thread) {
    const Piece& piece = pieces[number];
    const Run& run = *piece.run;
    Attention a{};
    a.head_size = size;
    a.value_stride = padded;
    a.group = group;
    a.pages = run.pages.data();
    a.whole = shape.whole_cache;
    a.keys_at = static_cast<size_t>((index * kv_heads + piece.head) * head_bytes());
    a.values_at = a.keys_at + static_cast<size_t>(kPage * size * number_bytes());
    a.q = q_.data() + run.at * row + piece.head * group * size;
    a.out = attended + run.at * heads * size + piece.head * group * size;
    a.q_stride = row;
    a.out_stride = heads * size;
    a.first = run.first;
    a.begin = piece.begin;
    a.end = piece.end;
    a.window = layer.window;
    a.scale = shape.score_scale;
    kernels_->attend(a, scratch(thread, attention_scratch(run.first + run.count, size)));
  });
}

void Model::logits(int64_t tokens, float* into) {
  const Matrix& head = globals_.matrices[shape.tied ? kEmbed : kHead];
  prepare(tokens, shape.width, head.quantized(), !head.quantized(),
          [&](int64_t token, float* row) { normed(globals_, kNorm, x_.data() + token * shape.width, row); });
  multiply(head, globals_.biases[kHead], false, into);
  if (shape.logit_scale != 1.0f) {
    for (int64_t i = 0; i < tokens * shape.vocabulary; i++) into[i] *= shape.logit_scale;
  }
}

}  // namespace hornbook
