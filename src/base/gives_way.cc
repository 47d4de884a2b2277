#include "base/gives_way.h"

#include <fmt/format.h>
#include <sched.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cinttypes>
#include <memory>
#include <optional>

#include "base/clock.h"
#include "base/short_turns.h"

namespace unclosed {
namespace {

constexpr Duration kLook = std::chrono::milliseconds(50), kMostWait = kLook / 2;

bool set_policy(int thread, int policy) {
  const sched_param none{};
  return ::sched_setscheduler(thread, policy, &none) == 0;
}

// Tried by a thread of its own: it may be for ever.
bool can_return() {
  bool returned = false;
  std::thread([&] { returned = set_policy(0, SCHED_IDLE) && set_policy(0, SCHED_OTHER); }).join();
  return returned;
}

// How long a thread of this process was ready to run and did not (Documentation/scheduler/sched-stats.rst).
std::optional<Duration> waited(int thread) {
  const std::string path = fmt::format("/proc/self/task/{}/schedstat", thread);
  const std::unique_ptr<FILE, int (*)(FILE*)> file(::fopen(path.c_str(), "re"), ::fclose);
  int64_t ran = 0, wait = 0;
  if (!file || ::fscanf(file.get(), "%" SCNd64 " %" SCNd64, &ran, &wait) != 2 || ran == 0)
    return std::nullopt;
  return Duration(wait);
}

}  // namespace

GivesWay::GivesWay() {
  const auto self = static_cast<int>(::syscall(SYS_gettid));
  ask_for_short_turns();
  if (::sched_getscheduler(0) != SCHED_OTHER || !waited(self) || !can_return()) return;
  x_guard = std::thread([this, self] { guard(self); });
  set_policy(0, SCHED_IDLE);
}

GivesWay::~GivesWay() {
  if (!x_guard.joinable()) return;
  {
    const std::lock_guard lock(x_mutex);
    x_over = true;
  }
  x_changed.notify_all();
  x_guard.join();
  set_policy(0, SCHED_OTHER);
}

void GivesWay::guard(int thread) {
  std::unique_lock lock(x_mutex);
  Duration before = waited(thread).value_or(Duration());
  while (!x_changed.wait_for(lock, kLook, [&] { return x_over; })) {
    const Duration now = waited(thread).value_or(before);
    if (now - before > kMostWait) {
      set_policy(thread, SCHED_OTHER);
      return;
    }
    before = now;
  }
}

}  // namespace unclosed
