// All goroutines of a Go process at about one moment, from its memory. Each goroutine is read,
// then its stack, then itself again; only what did not run meanwhile is believed, by the runtime's
// own count of that. What did is read again, and what always does is counted as moving. What runs
// has no stack in memory. Nothing is stopped: the goroutines are each of one moment, not all of the
// same. One thread at a time.
#pragma once

#include <cstdint>
#include <vector>

#include "base/clock.h"
#include "collect/golang/go_process.h"
#include "collect/golang/goroutine_state.h"
#include "model/stack.h"

namespace unclosed {

inline constexpr uint32_t kNoGoroutineStack = UINT32_MAX;

struct LiveGoroutine {
  uint64_t address = 0;  // of its g
  uint64_t id = 0;
  uint64_t parent = 0;  // 0: not known
  GoroutineStatus status = GoroutineStatus::kRunning;
  uint8_t wait_reason = 0;    // by GoProcess::wait_reason; of what waits
  bool locked = false;        // to its thread
  bool leaked = false;        // the runtime's own detector found it unreachable (Go 1.26)
  int64_t waiting_since = 0;  // CLOCK_MONOTONIC of the process, or later; 0: not known
  uint64_t go_pc = 0;         // behind the go statement that started it
  uint64_t start_pc = 0;      // of the function it began with
  uint64_t thread = 0;        // address of the m that runs it or is in its system call; 0: none
  uint64_t pc = 0, sp = 0;    // where it stopped; sp inside of [stack_low, stack_high)
  uint64_t stack_low = 0, stack_high = 0;
  uint32_t stack = kNoGoroutineStack;  // index into GoroutineList::stacks
};

struct GoroutineList {
  std::vector<LiveGoroutine> goroutines;  // ascending by id
  // Each distinct stack once, by addresses of the file. Of a goroutine that has not begun yet the
  // first address is that of its function; else as in any RawStack.
  std::vector<RawStack> stacks;
  uint64_t running = 0;  // of `goroutines`: without a stack
  uint64_t moving = 0;   // changed whenever they were read: not among `goroutines`
  uint64_t dead = 0;     // ended, or not used yet: not among them either
  int64_t read_at = 0;   // CLOCK_MONOTONIC of the process
};

// kGone: the process ended meanwhile. kUnsupported: its list of goroutines is none any more.
Result<GoroutineList> read_goroutines(GoProcess& process);

}  // namespace unclosed
