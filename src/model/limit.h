// Limits that a leak runs into. Value types; any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "model/process.h"

namespace unclosed {

enum class Diagnosis : uint8_t { kUnknown, kLeak, kSlow, kLimitTooSmall };
// leak, slow, limit-too-small, unknown.
std::string_view to_string(Diagnosis diagnosis);

// One reading of one limit.
struct LimitUse {
  std::string name;  // "nofile"
  ProcessId process;
  uint64_t used = 0;
  std::optional<uint64_t> max;  // nullopt: unlimited
};

// A limit with its countdown.
struct Limit {
  LimitUse use;
  std::optional<double>
      exhausted_in_seconds;  // nullopt: not growing, or nothing can be said yet; 0: reached
  Diagnosis diagnosis = Diagnosis::kUnknown;
};

}  // namespace unclosed
