// One profile as it was read, and what it takes to compare it with another of the same kind: the
// value of every stack by its key, also of those that were not named. Value types; any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <unordered_map>

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
  // Goroutines, bytes in use, or nanoseconds of delay by the key of their stack.
  std::unordered_map<uint64_t, int64_t> values;
  std::optional<int64_t> taken_ns;  // since 1970; absent: the file does not say
};

// Puts `next`, which was taken later, behind the captures that `last` was compared with so far:
// growth and course of its groups and sites against all of `before`, oldest first. Captures of
// another form name other frames: then growth stays absent and a note says so.
void compare(const std::vector<const Captured*>& before, Captured& last);

}  // namespace unclosed
