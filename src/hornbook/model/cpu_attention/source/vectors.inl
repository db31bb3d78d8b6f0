// Vectors of LANES floats, and bfloat16. Included by one source for each kind of processor.
typedef float Floats __attribute__((vector_size(4 * LANES), aligned(4), may_alias));
typedef int32_t Integers __attribute__((vector_size(4 * LANES), aligned(4), may_alias));
typedef uint32_t Bits __attribute__((vector_size(4 * LANES), aligned(4), may_alias));
typedef uint16_t Halves __attribute__((vector_size(2 * LANES), aligned(2), may_alias));

static inline Floats load(const float* x) { return *reinterpret_cast<const Floats*>(x); }
static inline void store(float* x, Floats y) { *reinterpret_cast<Floats*>(x) = y; }
static inline Floats all(float x) { return x - Floats{}; }

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
