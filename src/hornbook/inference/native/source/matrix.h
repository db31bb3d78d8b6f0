// How a matrix lies in memory, and the activations that it multiplies.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace hornbook {

enum Type : int32_t { kF32 = 0, kF16 = 1, kBF16 = 2, kQ4 = 3, kQ8 = 4 };

constexpr int kTile = 16;   // rows that lie interleaved
constexpr int kBlock = 32;  // neighbours among activations that share a scale

// A matrix of `rows` x `columns`, cut into tiles of 16 rows (the last one is filled up with zeros).
//
// Floats: a tile is [column][16 rows]. Quantized: a tile is, group by group, so that memory is read in one stream,
//   numbers  [block of 32 columns][4][16 rows][8 columns]: 4 bytes (Q4) or two halves of 4 bytes, 64 apart (Q8),
//   scales   [16 rows] of fp16 or bf16,
//   zeros    [16 rows] of bytes, where the zero points are not all the middle.
// Of 8 neighbouring columns those with even numbers are multiplied first, then the odd ones: the two nibbles of each byte.
// A number is stored shifted, so that it is never negative: by 8 or 128, or by its group's zero point.
struct Matrix {
  Type type = kF32;
  Type scale_type = kF16;
  bool zeros = false;
  int64_t rows = 0, columns = 0, group = kBlock, tiles = 0;
  size_t scales_at = 0, group_stride = 0, stride = 0;  // bytes within a group, of a group, and of a tile
  uint8_t* data = nullptr;

  bool quantized() const { return type == kQ4 || type == kQ8; }
  const uint8_t* tile(int64_t index) const { return data + index * stride; }
};

// Activations of `tokens` vectors of `columns` numbers, cut into panels of `width` tokens (the last one has the rest).
// A panel of T tokens is floats [column][T] and, quantized, int8 [column / 4][T][4], or [block][T][32] for a matrix unit,
// scales [block][T] and minus the sum of each block's integers [block][T].
struct Panels {
  int64_t tokens = 0, columns = 0;
  int width = 1;
  float* floats = nullptr;
  int8_t* integers = nullptr;
  float* scales = nullptr;
  int32_t* minus_sums = nullptr;

  int64_t count() const { return (tokens + width - 1) / width; }
  int tokens_of(int64_t panel) const {
    const int64_t left = tokens - panel * width;
    return static_cast<int>(left < width ? left : width);
  }
};

// Where a product goes: y[token][row], with the bias added where there is one, or added to what is there.
struct Output {
  float* y;
  int64_t stride;
  const float* bias;
  bool add;
};

// What one task of attention needs: some query columns of one sequence and one key/value head.
struct Attention {
  int64_t head_size, value_stride, group;  // value_stride: head_size rounded up to 16
  uint8_t* const* pages;                   // the sequence's blocks of the cache
  bool whole;                              // in fp32, else in fp16
  size_t keys_at, values_at;               // bytes within a page, of this layer and head
  const float* q;                          // [token][head of the group][head_size]
  float* out;
  int64_t q_stride, out_stride;  // from one token to the next
  int64_t first;                 // position of the first token
  int64_t begin, end;            // columns: token * group + head
  int64_t window;                // tokens that one sees, itself included; 0 for all
  float scale;
};

// Memory that is zero, taken from the system in large pieces and given back all at once. Matrices lie there one behind
// the other, on pages as large as the system has: a processor looks ahead within a page only.
class Arena {
 public:
  Arena() = default;
  Arena(const Arena&) = delete;
  ~Arena();
  uint8_t* take(size_t bytes);  // null where there is none

 private:
  struct Piece {
    void* begin;
    size_t size;
  };
  std::vector<Piece> pieces_;
  uint8_t* next_ = nullptr;
  size_t left_ = 0;
};

// Lay a matrix out, over what is packed already or over memory taken for it; data is null where there is none.
void allocate(Matrix& matrix, Arena& arena, uint8_t* packed);
// Put rows into their tiles. values: `count` rows as they are stored; scales, zeros: (count, groups). False where a
// number is not finite.
bool pack(Matrix& matrix, int64_t first, int64_t count, const void* values, const void* scales, const void* zeros);
// One row as floats.
void unpack(const Matrix& matrix, int64_t row, float* into);

float from_f16(uint16_t bits);
uint16_t to_f16(float value);
inline float from_bf16(uint16_t bits) {
  const uint32_t wide = static_cast<uint32_t>(bits) << 16;
  float value;
  __builtin_memcpy(&value, &wide, 4);
  return value;
}

}  // namespace hornbook
