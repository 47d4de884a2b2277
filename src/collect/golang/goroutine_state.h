// What the number in a goroutine's status word means, in every release. Pure; any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace unclosed {

enum class GoroutineStatus : uint8_t {
  kIdle,      // being made
  kRunnable,  // waits for a processor
  kRunning,
  kSyscall,
  kWaiting,
  kDead,       // ended, or not yet used
  kCopying,    // its stack is being moved
  kPreempted,  // stopped on the way, to go on
};

// No stack of Go grows beyond this.
inline constexpr uint64_t kMostStack = uint64_t{1} << 31;
// Set beside the state while the collector looks at the stack, which may move meanwhile.
inline constexpr uint32_t kScanned = 0x1000;

// The number of those that wait for what nobody can give them any more, as the runtime's own
// detector found (Go 1.26 and newer).
inline constexpr uint32_t kLeakedWord = 10;

// nullopt: no release has this number.
constexpr std::optional<GoroutineStatus> goroutine_status(uint32_t word) {
  switch (word & ~kScanned) {
    case 0:
      return GoroutineStatus::kIdle;
    case 1:
      return GoroutineStatus::kRunnable;
    case 2:
      return GoroutineStatus::kRunning;
    case 3:
      return GoroutineStatus::kSyscall;
    case 4:
    case kLeakedWord:
      return GoroutineStatus::kWaiting;
    case 6:
    case 11:  // kept for a thread of C code (1.26)
      return GoroutineStatus::kDead;
    case 8:
      return GoroutineStatus::kCopying;
    case 9:
      return GoroutineStatus::kPreempted;
    default:
      return std::nullopt;
  }
}

// The runtime's own words; of what waits, its reason says more.
constexpr std::string_view to_string(GoroutineStatus status) {
  switch (status) {
    case GoroutineStatus::kIdle:
      return "idle";
    case GoroutineStatus::kRunnable:
      return "runnable";
    case GoroutineStatus::kRunning:
      return "running";
    case GoroutineStatus::kSyscall:
      return "syscall";
    case GoroutineStatus::kWaiting:
      return "waiting";
    case GoroutineStatus::kDead:
      return "dead";
    case GoroutineStatus::kCopying:
      return "copystack";
    case GoroutineStatus::kPreempted:
      return "preempted";
  }
  return "";
}

}  // namespace unclosed
