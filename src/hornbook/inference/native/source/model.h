// A decoder of the phi line: its shape, its weights, the cache, and a step.
#pragma once

#include <vector>

#include "kernels.h"
#include "threads.h"

namespace hornbook {

// As library.py's Shape spells it.
struct Shape {
  int64_t vocabulary, layers, width, heads, kv_heads, head_size, mlp_width, rotary_size;

  int64_t start_tokens;
  int32_t layer_norm, parallel, gelu, tied, whole_cache;
  float norm_epsilon, embedding_scale, score_scale, logit_scale, short_scale, long_scale;
};

// Which weight: of the model, or of a layer.
enum Slot : int32_t {
  kEmbed, kHead, kNorm, kAttentionNorm, kQkv, kOut, kMlpNorm, kUp, kDown, kSlots
};

// Tokens of one sequence that a step reads: executor.py's Part. wanted: 0 no logits, 1 after the last token, 2 after every.
struct Part {
  int64_t count, start;
  const int32_t* ids;
  const int32_t* blocks;
  int32_t extended, wanted;
};

struct Layer {
  Matrix matrices[kSlots];
  std::vector<float> weights[kSlots], biases[kSlots];
  int64_t window = 0;
};

class Model {
 public:
  Model(const Shape& shape, const int64_t* windows, const float* short_turns, const float* long_turns,
        const float* plain_turns, int64_t blocks, const Kernels* kernels, int threads);

  Layer& layer(int64_t index) { return index < 0 ? globals_ : layers_[index]; }
  const Kernels* kernels() const { return kernels_; }
  Arena& arena() { return arena_; }
  bool pack_rows(Matrix& matrix, int64_t first, int64_t count, const void* values, const void* scales,
                 const void* zeros);
  // Read all parts into their blocks; logits: (wanted, vocabulary), part by part.
  void read(const Part* parts, int64_t count, float* logits);
  // y[token][row] = the matrix times x[token][column].
  void product(const Matrix& matrix, int64_t tokens, const float* x, float* y);

  const Shape shape;

 private:
  struct Run {             // tokens of a sequence that pass through the layers together with others
    int64_t at, count, first;  // the first one's place among all, how many, and the first one's position
    bool extended;
    std::vector<uint8_t*> pages;
  };

  int64_t number_bytes() const;
  int64_t head_bytes() const;
  uint8_t* page(int64_t block);
  void step(std::vector<Run> runs, const std::vector<int32_t>& ids, const std::vector<int64_t>& wanted);
  std::vector<Run> keep(const std::vector<Run>& runs, const std::vector<int64_t>& wanted);
  void logits(int64_t tokens, float* into);
  void attention(const Layer& layer, int64_t index, const std::vector<Run>& runs, int64_t tokens);
  void turn(int64_t index, const Run& run, int64_t begin, int64_t end);
  const float* angles(int64_t position, bool extended);
  template <class Row>
  void prepare(int64_t tokens, int64_t columns, bool integers, bool floats, Row&& row);
  void multiply(const Matrix& matrix, const std::vector<float>& bias, bool add, float* y);
  void normed(const Layer& layer, Slot slot, const float* x, float* y) const;
  float* scratch(int thread, int64_t floats);

  Arena arena_;
  Layer globals_;
  std::vector<Layer> layers_;
  const Kernels* kernels_;
  Pool pool_;
  std::vector<uint8_t*> pages_;  // of the cache; null until they are written
  std::vector<float> turns_[3];
  std::vector<float> angles_[2];  // [position][cosine, sine]
  Panels panels_;
  std::vector<float> x_, q_, up_, floats_, scales_;
  std::vector<int8_t> integers_;
  std::vector<int32_t> minus_sums_;
  std::vector<std::vector<float>> scratch_;
};

}  // namespace hornbook
