#include "cli/interrupts.h"

#include <signal.h>
#include <time.h>

#include <array>
#include <cstdint>

namespace unclosed {
namespace {

std::atomic<int> count{0};
std::atomic<int> last{0};
static_assert(std::atomic<int>::is_always_lock_free);

// A terminal or timeout(1) may deliver one interrupt twice, to the process and to its group.
constexpr int64_t kOneInterruptNs = 300'000'000;
std::atomic<int64_t> first_at{0};

void note(int signal_number) {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  const int64_t at = int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
  last = signal_number;
  if (count == 0) first_at = at;
  if (count == 1 && at - first_at < kOneInterruptNs) return;
  if (++count < 2) return;
  ::signal(signal_number, SIG_DFL);
  ::raise(signal_number);
}

void ignore(int) {}

}  // namespace

void handle_interrupts() {
  for (const int one : std::array{SIGINT, SIGTERM, SIGHUP}) {
    struct sigaction before {};
    ::sigaction(one, nullptr, &before);
    // nohup(1) asks to outlive the terminal. An interrupt is meant even when a shell's background
    // job inherited it as ignored: it is the way to end a look early.
    if (one == SIGHUP && before.sa_handler == SIG_IGN) continue;
    struct sigaction action {};
    action.sa_handler = note;  // without SA_RESTART: a wait ends early
    ::sigaction(one, &action, nullptr);
  }
  struct sigaction action {};
  action.sa_handler = ignore;  // SIG_IGN would be inherited by a command that is started
  action.sa_flags = SA_RESTART;
  ::sigaction(SIGPIPE, &action, nullptr);
}

const std::atomic<int>& interrupts() { return count; }
int last_interrupt() { return last; }

}  // namespace unclosed
