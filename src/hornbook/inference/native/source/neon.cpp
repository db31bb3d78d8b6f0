#include "kernels.h"
namespace hornbook {
const Kernels* neon_kernels() { return nullptr; }
}  // namespace hornbook
