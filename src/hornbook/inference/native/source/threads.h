// Threads that share one loop at a time.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <thread>
#include <vector>

namespace hornbook {

// A call is cut into many more pieces than there are threads, and who is free takes the next. So a thread that the
// system has put aside, on a machine that others use too, delays a call by one piece at most, and a thread that has not
// even woken by none. Threads look for work for some microseconds, then sleep.
class Pool {
 public:
  explicit Pool(int threads) : threads_(threads < 1 ? 1 : threads) {
    for (int index = 1; index < threads_; index++) workers_.emplace_back([this, index] { work(index); });
  }
  ~Pool() {
    {
      std::lock_guard<std::mutex> lock(mutex_);
      stop_ = true;
    }
    wake_.notify_all();
    for (auto& worker : workers_) worker.join();
  }
  Pool(const Pool&) = delete;

  int threads() const { return threads_; }

  // function(piece, thread) for pieces 0..count-1; `alone`: by this thread, because the work is not worth a meeting.
  template <class Function>
  void run(int64_t count, bool alone, Function&& function) {
    if (threads_ == 1 || count <= 1 || alone) {
      for (int64_t piece = 0; piece < count; piece++) function(piece, 0);
      return;
    }
    call_ = [](void* given, int64_t piece, int thread) { (*static_cast<Function*>(given))(piece, thread); };
    given_ = &function;
    done_.store(0);
    generation_ = (generation_ + 1) & 0xffff;
    next_.store(generation_ << 48 | static_cast<uint64_t>(count) << 24);
    if (asleep_.load() > 0) {
      std::lock_guard<std::mutex> lock(mutex_);
      wake_.notify_all();
    }
    take(0);
    for (int turn = 0; done_.load(std::memory_order_acquire) < count; turn++) {
      turn < kTurns ? pause() : std::this_thread::yield();
    }
  }

 private:
  static constexpr int kTurns = 2000;
  static constexpr uint64_t kMask = (1u << 24) - 1;

  static void pause() {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    asm volatile("yield");
#endif
  }

  static bool open(uint64_t ticket) { return (ticket & kMask) < (ticket >> 24 & kMask); }

  // What is called is read only after a piece of it was taken: until that is done, no other call begins.
  void take(int thread) {
    uint64_t ticket = next_.load();
    while (open(ticket)) {
      if (!next_.compare_exchange_weak(ticket, ticket + 1)) continue;
      call_(given_, ticket & kMask, thread);
      done_.fetch_add(1, std::memory_order_release);
      ticket = next_.load();
    }
  }

  void work(int thread) {
    for (int turn = 0;; turn++) {
      if (open(next_.load(std::memory_order_acquire))) {
        take(thread);
        turn = 0;
      } else if (turn < kTurns) {
        pause();
      } else {
        std::unique_lock<std::mutex> lock(mutex_);
        asleep_.fetch_add(1);
        wake_.wait(lock, [this] { return stop_ || open(next_.load()); });
        asleep_.fetch_sub(1);
        if (stop_) return;
        turn = 0;
      }
    }
  }

  const int threads_;
  std::vector<std::thread> workers_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::atomic<int> asleep_{0};
  bool stop_ = false;
  void (*call_)(void*, int64_t, int) = nullptr;
  void* given_ = nullptr;
  uint64_t generation_ = 0;
  // Of the call that is under way: its number, how many pieces it has, the next one to take.
  std::atomic<uint64_t> next_{0};
  std::atomic<int64_t> done_{0};
};

}  // namespace hornbook
