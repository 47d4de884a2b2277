// One profile as it was read, and what it takes to compare it with another of the same kind: the
// value of every stack by its key, also of those that were not named. Value types; any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "model/goroutine.h"

namespace unclosed {

enum class ProfileKind : uint8_t {
  kGoroutines,  // goroutine, goroutineleak
  kHeap,        // heap, allocs
  kContention,  // mutex, block
};

struct Captured {
  ProfileKind kind = ProfileKind::kGoroutines;
  std::string name;  // "goroutine", "goroutineleak", "heap", "mutex", "block"
  std::string form;  // "dump" (debug=2), "text" (debug=1), "protobuf" (debug=0)
  GoroutineCapture capture;
  // Keys of all stacks, and their goroutines, bytes in use or nanoseconds of delay; in no order.
  std::vector<std::pair<uint64_t, int64_t>> values;
  std::optional<int64_t> taken_ns;  // since 1970; absent: the file does not say
};

// Several profiles, in the order in which they were taken, as one answer: the last of each kind,
// with growth and course against the earlier ones of its kind. Captures of different forms name
// different frames: then growth stays absent, and a note says so.
GoroutineCapture combine(std::vector<Captured> profiles);

}  // namespace unclosed
