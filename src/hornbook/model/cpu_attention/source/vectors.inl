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

static inline float sum(Floats x) {
  float s = 0;
  for (int i = 0; i < LANES; ++i) s += x[i];
  return s;
}

// 2^x for x <= 0; 0 below 2^-126; what is not a number stays so. The series of 2^f, f within a half, to the seventh power: 5e-9.
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
  const Floats known = x == x ? reinterpret_cast<const Floats&>(moved) : x;
  return x < low ? Floats{} : known;
}
