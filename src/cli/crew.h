// A few threads that work off tasks, until none is left; a task may add more. Made for short work
// on many processes. add() from any thread; work() once at a time.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>

namespace unclosed {

class Crew {
 public:
  // As many threads as there are CPUs for us, at most `most`; the caller of work() is one of them.
  explicit Crew(size_t most = 4);

  void add(std::function<void()> task);
  // Returns when every task is done, those added meanwhile included.
  void work();

 private:
  // Tasks that lie side by side are of one process, as a rule. Two threads that look into one and
  // the same wait for each other in the kernel, so they begin at different ends.
  enum class End : uint8_t { kFront, kBack };
  void work_along(End end);

  size_t x_threads;
  size_t x_busy = 0;
  std::deque<std::function<void()>> x_tasks;
  std::mutex x_guard;
  std::condition_variable x_changed;
};

}  // namespace unclosed
