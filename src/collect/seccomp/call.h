// One call of the service as the supervisor saw it, before it went on, and a batch of them. One
// thread at a time.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/clock.h"
#include "collect/seccomp/filter.h"
#include "model/connection.h"

namespace unclosed {

// What a number in a descriptor table was open on when a call named it.
struct OpenOn {
  bool known = false;
  bool socket = false;
  uint64_t inode = 0;  // of a socket
  Kind kind = Kind::kOther;
  std::string name;  // path of a file
};

// The top of a thread's stack, and where it stood.
struct StackCopy {
  uint64_t pc = 0, sp = 0;
  std::span<const uint8_t> bytes;  // from sp on; empty: no stack was taken
};

struct Call {
  CallKind kind = CallKind::kOpens;
  int number = 0;  // of the call, as the kernel counts them
  uint32_t thread = 0, process = 0;
  Instant at;
  int fd = -1;  // that it names; -1: none
  OpenOn on;
  std::array<uint64_t, 2> arguments{};  // the first two
  Endpoint peer;                        // of connect
  std::string peer_name;                // of connect to a unix socket
  std::string path;                     // that open and its kin are given
  std::optional<std::vector<int>> closing;  // of exec: the numbers that it closes; nullopt: unknown
  uint64_t goroutine = 0;               // 0: not one, or not known
  bool stack_left_out = false;
  bool new_code = false;  // its process calls from code that it had not called from before
  StackCopy stack;
};

// Calls in their order, with the memory that their stacks are copied into: it is used again for the
// next ones, so that no page is touched for the first time while the service waits.
class CallBatch {
 public:
  std::vector<Call> calls;

  // The free memory, at most so much of it; less: it is full.
  std::span<uint8_t> room(size_t most) {
    if (!x_memory) x_memory = std::make_unique_for_overwrite<uint8_t[]>(kMostBytes);
    return {x_memory.get() + x_used, std::min(most, kMostBytes - x_used)};
  }
  // The first bytes of it belong to a stack from now on.
  void take(size_t bytes) { x_used += bytes; }
  void clear() {
    calls.clear();
    x_used = 0;
  }

 private:
  static constexpr size_t kMostBytes = 48UL << 20;
  std::unique_ptr<uint8_t[]> x_memory;
  size_t x_used = 0;
};

}  // namespace unclosed
