#include "cli/crew.h"

#include <sched.h>

#include <algorithm>
#include <thread>
#include <utility>
#include <vector>

namespace unclosed {
namespace {

size_t usable_cpus() {
  cpu_set_t cpus;
  CPU_ZERO(&cpus);
  if (::sched_getaffinity(0, sizeof cpus, &cpus) != 0) return 1;
  return static_cast<size_t>(std::max(CPU_COUNT(&cpus), 1));
}

}  // namespace

Crew::Crew(size_t most) : x_threads(std::clamp<size_t>(most, 1, usable_cpus())) {}

void Crew::add(std::function<void()> task) {
  {
    const std::lock_guard lock(x_guard);
    x_tasks.push_back(std::move(task));
  }
  x_changed.notify_one();
}

void Crew::work_along(End end) {
  std::unique_lock lock(x_guard);
  for (;;) {
    x_changed.wait(lock, [&] { return !x_tasks.empty() || x_busy == 0; });
    if (x_tasks.empty()) break;
    const auto task = std::move(end == End::kFront ? x_tasks.front() : x_tasks.back());
    if (end == End::kFront) {
      x_tasks.pop_front();
    } else {
      x_tasks.pop_back();
    }
    ++x_busy;
    lock.unlock();
    task();
    lock.lock();
    --x_busy;
  }
  x_changed.notify_all();
}

void Crew::work() {
  const size_t helpers = std::min(x_threads - 1, x_tasks.size());
  std::vector<std::thread> threads;
  threads.reserve(helpers);
  for (size_t i = 0; i < helpers; ++i) {
    threads.emplace_back([this, i] { work_along(i % 2 == 0 ? End::kBack : End::kFront); });
  }
  work_along(End::kFront);
  for (auto& thread : threads) thread.join();
}

}  // namespace unclosed
