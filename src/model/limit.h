// Limits that a leak runs into. Value types; any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "base/clock.h"
#include "model/process.h"

namespace unclosed {

enum class Diagnosis : uint8_t { kUnknown, kLeak, kSlow, kLimitTooSmall };
// leak, slow, limit-too-small, unknown.
std::string_view to_string(Diagnosis diagnosis);

// Which limit it is: name, process, and for local ports whom they lead to, and from where.
using LimitKey = std::tuple<std::string, ProcessId, std::string, std::string>;

// One reading of one limit.
struct LimitUse {
  // "nofile"; "local-ports": ports from which one destination is dialled; "pool": connections that
  // a pool of database/sql has lent
  std::string name;
  ProcessId process;
  uint64_t used = 0;
  std::optional<uint64_t> max;  // nullopt: unlimited
  std::string peer = {};        // of local ports: the destination; of a pool: the server, or ""
  std::string local = {};       // of local ports: our address, without a port
  uint64_t time_wait = 0;       // of `used`: held by TIME_WAIT, by no descriptor
  std::vector<int> lent = {};   // of a pool: the descriptors that `used` counts, as far as known
  uint64_t waits = 0;           // of a pool: borrowers that had to wait, since it was made
  uint64_t idle = 0;            // of a pool: connections that it has to give
  uint64_t pools = 1;           // of a pool: that are alike, of which these are the sums
  LimitKey key() const { return {name, process, peer, local}; }
};

// One reading of how much of a limit is used.
struct LimitPoint {
  Instant at;
  uint64_t used = 0, time_wait = 0;  // as in LimitUse
};

// A limit with its countdown.
struct Limit {
  LimitUse use;
  std::optional<double>
      exhausted_in_seconds;  // nullopt: not growing, or nothing can be said yet; 0: reached
  Diagnosis diagnosis = Diagnosis::kUnknown;
};

}  // namespace unclosed
