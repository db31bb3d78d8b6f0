// The engine behind a pipe, for elsewhere.py: a request is a function and its arguments, an answer what it returned.
#include <cstdio>

#include "interface.cpp"

namespace {

// A request's head: which function, how many arguments. Of an argument: kNumber and its value; or a length of bytes, which
// follow (kBytes) or are written and go back (kRoom).
struct Word {
  int64_t what, value;
};
enum What : int64_t { kNumber, kBytes, kRoom };
constexpr int kMost = 12;

bool take(void* into, size_t bytes) { return std::fread(into, 1, bytes, stdin) == bytes; }
void give(const void* from, size_t bytes) { std::fwrite(from, 1, bytes, stdout); }

template <class T>
T* at(int64_t address) {
  return reinterpret_cast<T*>(address);
}

int64_t call(int64_t function, const int64_t* a) {
  Model* model = at<Model>(a[0]);
  switch (function) {
    case 0: {
      const char* name = hornbook_kernels(a[0], at<int32_t>(a[1]));
      if (name) std::strcpy(at<char>(a[2]), name);
      return name != nullptr;
    }
    case 1:
      return reinterpret_cast<int64_t>(hornbook_model(at<Shape>(a[0]), at<int64_t>(a[1]), at<float>(a[2]),
                                                      at<float>(a[3]), at<float>(a[4]), a[5], a[6], a[7]));
    case 2: hornbook_model_free(model); return 0;
    case 3:
      return reinterpret_cast<int64_t>(
          hornbook_matrix(model, a[1], a[2], a[3], a[4], a[5], a[6], a[7], a[8], nullptr, at<int64_t>(a[9])));
    case 4: return hornbook_rows(model, a[1], a[2], a[3], a[4], at<void>(a[5]), at<void>(a[6]), at<void>(a[7]));
    case 5: hornbook_vector(model, a[1], a[2], a[3], a[4], a[5], a[6], at<float>(a[7])); return 0;
    case 6: {
      Part* parts = at<Part>(a[2]);
      const int32_t *ids = at<int32_t>(a[3]), *blocks = at<int32_t>(a[4]);
      for (Part* part = parts; part < parts + a[1]; part++) {
        part->ids = ids;
        part->blocks = blocks;
        ids += part->count;
        blocks += (part->start + part->count + hornbook::kPage - 1) / hornbook::kPage;
      }
      return hornbook_read(model, parts, a[1], at<float>(a[5]));
    }
    case 7: hornbook_product(model, a[1], a[2], a[3], at<float>(a[4]), at<float>(a[5])); return 0;
    default:
      hornbook_vectors(a[0], a[1], at<float>(a[2]), at<float>(a[3]), at<float>(a[4]), *at<float>(a[5]), a[6],
                       at<float>(a[7]));
      return 0;
  }
}

}  // namespace

int main() {
  Word head;
  while (take(&head, sizeof head)) {
    Word words[kMost];
    std::vector<int64_t> held[kMost];
    int64_t arguments[kMost] = {};
    for (int i = 0; i < head.value; i++) {
      if (!take(words + i, sizeof(Word))) return 1;
      arguments[i] = words[i].value;
      if (words[i].what == kNumber) continue;
      held[i].resize((words[i].value + 7) / 8);
      arguments[i] = reinterpret_cast<int64_t>(held[i].data());
      if (words[i].what == kBytes && !take(held[i].data(), words[i].value)) return 1;
    }
    const int64_t result = call(head.what, arguments);
    give(&result, sizeof result);
    for (int i = 0; i < head.value; i++) {
      if (words[i].what == kRoom) give(held[i].data(), words[i].value);
    }
    std::fflush(stdout);
  }
}
