#include "model/goroutine.h"

#include <algorithm>

namespace unclosed {
namespace {

// Where the runtime waits for its callers; who called these is who waits.
bool waits_for_others(std::string_view function) {
  for (const std::string_view package :
       {"runtime.", "runtime/internal/", "internal/runtime/", "sync.", "internal/sync.",
        "internal/poll.", "golang.org/x/sync/"})
    if (function.starts_with(package)) return true;
  return false;
}

std::optional<size_t> first(const std::vector<NamedFrame>& stack, auto&& wanted) {
  const auto found = std::find_if(stack.begin(), stack.end(), wanted);
  if (found == stack.end()) return std::nullopt;
  return static_cast<size_t>(found - stack.begin());
}

}  // namespace

std::optional<size_t> blocked_at(const GoroutineGroup& group) {
  return first(group.stack,
               [](const NamedFrame& frame) { return !waits_for_others(frame.function); });
}

std::optional<size_t> own_frame(const std::vector<NamedFrame>& stack) {
  return first(stack, [](const NamedFrame& frame) { return frame.own; });
}

std::optional<size_t> own_frame(const GoroutineGroup& group) { return own_frame(group.stack); }

Parked parked_in(const GoroutineGroup& group) {
  const std::string_view state = group.state;
  const auto through = [&](std::string_view function) {
    return std::any_of(group.stack.begin(), group.stack.end(), [&](const NamedFrame& frame) {
      return std::string_view(frame.function).starts_with(function);
    });
  };
  if (state.empty()) return Parked::kUnknown;
  if (state == "IO wait") {
    if (through("os.(*File)")) return Parked::kOther;  // a pipe or a terminal
    if (through("internal/poll.(*FD).Accept")) return Parked::kAccept;
    if (through("internal/poll.(*FD).Write") || through("internal/poll.(*FD).SendFile") ||
        through("internal/poll.(*FD).Connect") || through("internal/poll.(*pollDesc).waitWrite"))
      return Parked::kNetworkWrite;
    return Parked::kNetworkRead;
  }
  if (state.starts_with("chan receive")) return Parked::kChannelReceive;
  if (state.starts_with("chan send")) return Parked::kChannelSend;
  if (state.starts_with("select")) return Parked::kSelect;
  if (state.starts_with("sync.Mutex") || state.starts_with("sync.RWMutex")) return Parked::kLock;
  if (state.starts_with("sync.WaitGroup") || state.starts_with("sync.Cond")) return Parked::kOthers;
  // Before Go 1.20 this was said of every lock, and before 1.24 of wait groups.
  if (state == "semacquire")
    return through("sync.(*WaitGroup).Wait") ? Parked::kOthers : Parked::kLock;
  if (state == "sleep") return Parked::kSleep;
  if (state == "syscall") return Parked::kSystemCall;
  if (state == "running" || state == "runnable" || state == "preempted") return Parked::kRunning;
  return Parked::kOther;
}

}  // namespace unclosed
