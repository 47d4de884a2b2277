// Processes. A pid alone is never an identity: the number is reused.
// Value types; any thread.
#pragma once

#include <sys/types.h>

#include <compare>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"

namespace unclosed {

// A process, unique across pid reuse: the pid and the tick after boot at which it started (field 22
// of /proc/PID/stat).
struct ProcessId {
  pid_t pid = 0;
  uint64_t start_ticks = 0;
  auto operator<=>(const ProcessId&) const = default;
};

struct ProcessIdHash {
  size_t operator()(const ProcessId& id) const {
    return std::hash<uint64_t>()(id.start_ticks * 0x9e3779b97f4a7c15ULL ^
                                 static_cast<uint64_t>(id.pid));
  }
};

// What is shown of a process. `command` has its secrets cut already.
struct ProcessInfo {
  ProcessId id;
  std::optional<ProcessId> parent;  // nullopt: not known
  Instant started;                  // on the monotonic clock
  std::string exe;                  // the path it was started from, as its own root names it
  std::vector<std::string> command;
  std::string runtime;  // "go1.26.8", "native", "python3.11", …; empty: not known
};

// Whether a file is the interpreter or virtual machine of a language (Python, Node, Java, …), or
// its library: what a service wrote in that language is in none of its frames.
bool is_interpreter(std::string_view path);

}  // namespace unclosed
