// Products of floats: an operand is used as it stands.
typedef float Number;
typedef Floats Numbers;
constexpr int PAIR = 1;

static inline Floats multiplied(Floats sum, Number x, Numbers y) { return sum + x * y; }
static inline const Number* rows_of(const float* x, int64_t, int64_t, Number*) { return x; }
static inline const Number* pairs_of(const float* x, int64_t, int64_t, Number*) { return x; }
