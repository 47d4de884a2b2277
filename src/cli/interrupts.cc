#include "cli/interrupts.h"

#include <signal.h>

#include <array>

namespace unclosed {
namespace {

std::atomic<int> count{0};
std::atomic<int> last{0};
static_assert(std::atomic<int>::is_always_lock_free);

void note(int signal_number) {
  last = signal_number;
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
    if (before.sa_handler == SIG_IGN) continue;
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
