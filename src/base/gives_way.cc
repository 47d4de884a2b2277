#include "base/gives_way.h"

#include <fmt/format.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cinttypes>
#include <cstdio>
#include <future>
#include <memory>
#include <optional>
#include <string>

#include "base/clock.h"
#include "base/short_turns.h"

namespace unclosed {
namespace {

constexpr Duration kLook = std::chrono::milliseconds(10), kMostWait = 3 * kLook;

bool set_policy(int thread, int policy) {
  const sched_param none{};
  return ::sched_setscheduler(thread, policy, &none) == 0;
}

// Tried on a thread that sleeps meanwhile: it may be for ever.
bool can_return() {
  std::promise<int> started;
  std::promise<void> over;
  std::thread trial([&, wait = over.get_future()] {
    started.set_value(static_cast<int>(::syscall(SYS_gettid)));
    wait.wait();
  });
  const int thread = started.get_future().get();
  const bool returned = set_policy(thread, SCHED_IDLE) && set_policy(thread, SCHED_OTHER);
  over.set_value();
  trial.join();
  return returned;
}

std::string told_of(int thread, const char* what) {
  const std::string path = fmt::format("/proc/self/task/{}/{}", thread, what);
  const std::unique_ptr<FILE, int (*)(FILE*)> file(::fopen(path.c_str(), "re"), ::fclose);
  char text[512];
  const size_t size = file ? ::fread(text, 1, sizeof text, file.get()) : 0;
  return {text, size};
}

// How long a thread of this process has run (Documentation/scheduler/sched-stats.rst). Its wait is
// told only when it is over.
std::optional<Duration> ran(int thread) {
  int64_t ns = 0;
  if (std::sscanf(told_of(thread, "schedstat").c_str(), "%" SCNd64, &ns) != 1 || ns == 0)
    return std::nullopt;
  return Duration(ns);
}

// Runs, or would (man 5 proc: the state stands behind the name).
bool ready(int thread) {
  const std::string stat = told_of(thread, "stat");
  const size_t name = stat.rfind(") ");
  return name != std::string::npos && stat.size() > name + 2 && stat[name + 2] == 'R';
}

}  // namespace

GivesWay::GivesWay() {
  const auto self = static_cast<int>(::syscall(SYS_gettid));
  ask_for_short_turns();
  if (::sched_getscheduler(0) != SCHED_OTHER || !ran(self) || !can_return()) return;
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
}

void GivesWay::guard(int thread) {
  std::unique_lock lock(x_mutex);
  Duration before = ran(thread).value_or(Duration()), starved{};
  while (!x_changed.wait_for(lock, kLook, [&] { return x_over; }) && starved < kMostWait) {
    const Duration now = ran(thread).value_or(before);
    const bool hardly = ready(thread) && now - before < kLook / 2;
    starved = hardly ? starved + kLook : Duration();
    before = now;
  }
  set_policy(thread, SCHED_OTHER);
}

}  // namespace unclosed
