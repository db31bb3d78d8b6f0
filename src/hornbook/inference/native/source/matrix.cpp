// Matrices into tiles, and rows out of them.
#include "matrix.h"

#include <cstdlib>
#include <cstring>
#if defined(__linux__) || defined(__APPLE__)
#include <sys/mman.h>
#endif

namespace hornbook {

namespace {

size_t rounded(size_t bytes, size_t to) { return (bytes + to - 1) / to * to; }

bool finite16(uint16_t bits, uint16_t exponent) { return (bits & exponent) != exponent; }

}  // namespace

float from_f16(uint16_t bits) {
  const uint32_t sign = static_cast<uint32_t>(bits & 0x8000) << 16;
  const uint32_t rest = bits & 0x7fff;
  uint32_t wide;
  float value;
  if (rest >= 0x7c00) {
    wide = sign | 0x7f800000 | (rest & 0x3ff) << 13;
  } else if (rest >= 0x400) {
    wide = sign | ((rest << 13) + 0x38000000);
  } else {  // subnormal: rest * 2^-24, exact
    value = static_cast<float>(rest) * 5.9604644775390625e-8f;
    return sign ? -value : value;
  }
  std::memcpy(&value, &wide, 4);
  return value;
}

uint16_t to_f16(float value) {
  uint32_t wide;
  std::memcpy(&wide, &value, 4);
  const uint16_t sign = static_cast<uint16_t>(wide >> 16 & 0x8000);
  wide &= 0x7fffffff;
  if (wide >= 0x7f800000) return sign | (wide > 0x7f800000 ? 0x7e00 : 0x7c00);
  if (wide >= 0x477ff000) return sign | 0x7c00;  // rounds to more than 65504
  if (wide < 0x38800000) {                       // below the least normal number: a multiple of 2^-24
    float magnitude;
    std::memcpy(&magnitude, &wide, 4);
    magnitude += 0.5f;  // the mantissa's last bit is 2^-24 there, and the addition rounds to even
    std::memcpy(&wide, &magnitude, 4);
    return sign | static_cast<uint16_t>(wide - 0x3f000000);
  }
  return sign | static_cast<uint16_t>((wide + 0xfff + (wide >> 13 & 1) - 0x38000000) >> 13);
}

Arena::~Arena() {
#if defined(__linux__) || defined(__APPLE__)
  for (const Piece& piece : pieces_) munmap(piece.begin, piece.size);
#else
  for (const Piece& piece : pieces_) std::free(piece.begin);
#endif
}

uint8_t* Arena::take(size_t bytes) {
  constexpr size_t kPiece = 64u << 20, kHuge = 2u << 20;
  bytes = rounded(bytes, 64);
  if (bytes > left_) {
    const size_t size = rounded(bytes, kHuge) > kPiece ? rounded(bytes, kHuge) : kPiece;
#if defined(__linux__) || defined(__APPLE__)
    void* pages = mmap(nullptr, size + kHuge, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANON, -1, 0);
    if (pages == MAP_FAILED) return nullptr;
#if defined(__linux__) && defined(MADV_HUGEPAGE)
    madvise(pages, size + kHuge, MADV_HUGEPAGE);
#endif
#else
    void* pages = std::calloc(size + kHuge, 1);
    if (!pages) return nullptr;
#endif
    pieces_.push_back({pages, size + kHuge});
    next_ = reinterpret_cast<uint8_t*>(rounded(reinterpret_cast<size_t>(pages), kHuge));
    left_ = size;
  }
  uint8_t* taken = next_;
  next_ += bytes;
  left_ -= bytes;
  return taken;
}

void allocate(Matrix& m, Arena& arena, uint8_t* packed) {
  m.tiles = (m.rows + kTile - 1) / kTile;
  if (m.quantized()) {
    m.scales_at = static_cast<size_t>(m.group) * kTile / (m.type == kQ4 ? 2 : 1);
    m.group_stride = m.scales_at + kTile * (m.zeros ? 3 : 2);
    m.stride = rounded(m.columns / m.group * m.group_stride, 64);
  } else {
    m.stride = rounded(static_cast<size_t>(m.columns) * kTile * (m.type == kF32 ? 4 : 2), 64);
  }
  m.data = packed ? packed : arena.take(m.stride * m.tiles);
}

bool pack(Matrix& m, int64_t first, int64_t count, const void* values, const void* scales, const void* zeros) {
  bool finite = true;
  const int64_t groups = m.columns / m.group;
  for (int64_t index = 0; index < count; index++) {
    const int64_t row = first + index;
    const int lane = static_cast<int>(row % kTile);
    uint8_t* tile = m.data + row / kTile * m.stride;
    if (m.type == kF32) {
      const float* from = static_cast<const float*>(values) + index * m.columns;
      float* to = reinterpret_cast<float*>(tile) + lane;
      for (int64_t c = 0; c < m.columns; c++) {
        uint32_t bits;
        std::memcpy(&bits, from + c, 4);
        finite &= (bits & 0x7f800000) != 0x7f800000;
        to[c * kTile] = from[c];
      }
    } else if (!m.quantized()) {
      const uint16_t exponent = m.type == kF16 ? 0x7c00 : 0x7f80;
      const uint16_t* from = static_cast<const uint16_t*>(values) + index * m.columns;
      uint16_t* to = reinterpret_cast<uint16_t*>(tile) + lane;
      for (int64_t c = 0; c < m.columns; c++) {
        finite &= finite16(from[c], exponent);
        to[c * kTile] = from[c];
      }
    } else {
      const uint8_t* from = static_cast<const uint8_t*>(values) + index * (m.type == kQ4 ? m.columns / 2 : m.columns);
      const uint16_t exponent = m.scale_type == kF16 ? 0x7c00 : 0x7f80;
      const uint16_t* scale = static_cast<const uint16_t*>(scales) + index * groups;
      const uint8_t* zero = static_cast<const uint8_t*>(zeros) + index * groups;
      for (int64_t g = 0; g < groups; g++, tile += m.group_stride) {
        uint8_t* to = tile + lane * 4;
        for (int64_t c = 0; c < m.group; c += 8) {
          if (m.type == kQ4) {
            std::memcpy(to, from, 4);
            from += 4;
            to += 64;
          } else {
            const uint8_t even[4] = {from[0], from[2], from[4], from[6]}, odd[4] = {from[1], from[3], from[5], from[7]};
            std::memcpy(to, even, 4);
            std::memcpy(to + 64, odd, 4);
            from += 8;
            to += 128;
          }
        }
        finite &= finite16(scale[g], exponent);
        std::memcpy(tile + m.scales_at + lane * 2, scale + g, 2);
        if (m.zeros) tile[m.scales_at + kTile * 2 + lane] = zero[g];
      }
    }
  }
  return finite;
}

void unpack(const Matrix& m, int64_t row, float* into) {
  const uint8_t* tile = m.tile(row / kTile);
  const int lane = static_cast<int>(row % kTile);
  if (!m.quantized()) {
    for (int64_t c = 0; c < m.columns; c++) {
      if (m.type == kF32) {
        into[c] = reinterpret_cast<const float*>(tile)[c * kTile + lane];
      } else {
        const uint16_t bits = reinterpret_cast<const uint16_t*>(tile)[c * kTile + lane];
        into[c] = m.type == kF16 ? from_f16(bits) : from_bf16(bits);
      }
    }
    return;
  }
  for (int64_t g = 0; g < m.columns / m.group; g++, tile += m.group_stride, into += m.group) {
    uint16_t bits;
    std::memcpy(&bits, tile + m.scales_at + lane * 2, 2);
    const float scale = m.scale_type == kF16 ? from_f16(bits) : from_bf16(bits);
    const int zero = m.zeros ? tile[m.scales_at + kTile * 2 + lane] : m.type == kQ4 ? 8 : 128;
    for (int64_t c = 0; c < m.group; c += 8) {
      for (int64_t e = 0; e < 4; e++) {
        int even, odd;
        if (m.type == kQ4) {
          const uint8_t both = tile[c * 8 + lane * 4 + e];
          even = both & 15;
          odd = both >> 4;
        } else {
          even = tile[c * 16 + lane * 4 + e];
          odd = tile[c * 16 + 64 + lane * 4 + e];
        }
        into[c + 2 * e] = static_cast<float>(even - zero) * scale;
        into[c + 2 * e + 1] = static_cast<float>(odd - zero) * scale;
      }
    }
  }
}

}  // namespace hornbook
