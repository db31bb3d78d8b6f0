// Attention on another processor, for test_cpu_attention_on_arm.py: tensors come in on stdin, what is made goes out.
#include <cstdio>
#include <vector>

#include "interface.cpp"

namespace {

using hornbook::Strided;

template <class T>
std::vector<T> taken(int64_t count) {
  std::vector<T> values(count);
  if (std::fread(values.data(), sizeof(T), count, stdin) != static_cast<size_t>(count)) std::exit(1);
  return values;
}

void given(const std::vector<char>& bytes) { std::fwrite(bytes.data(), 1, bytes.size(), stdout); }

Strided laid(std::vector<char>& bytes, int64_t heads, int64_t time, int64_t size) {
  return {bytes.data(), heads * time * size, time * size, size};
}

}  // namespace

int main() {
  const std::vector<int64_t> head = taken<int64_t>(6);  // batch, heads, kv_heads, time, size, bfloat
  Rows rows = {head[0], head[1], head[2], head[3], head[4], static_cast<int32_t>(head[5]), 2};
  rows.scale = taken<float>(1)[0];
  const std::vector<int32_t> first = taken<int32_t>(rows.batch * rows.time);
  rows.first = first.data();
  rows.first_batch = rows.time;
  const int64_t wide = rows.bfloat ? 2 : 4, of_q = rows.batch * rows.heads * rows.time * rows.size;
  const int64_t of_k = of_q / rows.heads * rows.kv_heads;
  std::vector<char> q = taken<char>(of_q * wide), k = taken<char>(of_k * wide), v = taken<char>(of_k * wide);
  std::vector<char> dy = taken<char>(of_q * wide), y(of_q * wide), dq(of_q * wide), dk(of_q * 4), dv(of_q * 4);
  std::vector<float> log_sum(rows.batch * rows.heads * rows.time);
  rows.log_sum = log_sum.data();
  for (auto [tensor, bytes] : {std::pair{&rows.q, &q}, {&rows.y, &y}, {&rows.dy, &dy}, {&rows.dq, &dq},
                               {&rows.dk, &dk}, {&rows.dv, &dv}}) {
    *tensor = laid(*bytes, rows.heads, rows.time, rows.size);
  }
  rows.k = laid(k, rows.kv_heads, rows.time, rows.size);
  rows.v = laid(v, rows.kv_heads, rows.time, rows.size);
  if (!hornbook_attention_forward(&rows, 0) || !hornbook_attention_backward(&rows, 0)) return 1;
  for (const auto* made : {&y, &dq, &dk, &dv}) given(*made);
}
