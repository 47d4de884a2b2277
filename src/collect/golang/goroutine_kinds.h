// GoroutineKinds: which goroutines of a list began with the same function. Of many alike, each
// reaches what all of them reach, and none of them owns it by that. Pure; any thread.
#pragma once

#include <cstdint>
#include <unordered_map>

#include "collect/golang/goroutine_reader.h"

namespace unclosed {

class GoroutineKinds {
 public:
  struct Kind {
    uint32_t index = 0;   // of the kind
    uint32_t count = 0;   // of goroutines
    uint64_t oldest = 0;  // its id
  };
  explicit GoroutineKinds(const GoroutineList& list) {
    for (const LiveGoroutine& one : list.goroutines) {
      const auto index = static_cast<uint32_t>(x_kinds.size());
      Kind& kind = x_kinds.try_emplace(one.start_pc, Kind{index, 0, one.id}).first->second;
      ++kind.count;
    }
  }
  const Kind& of(const LiveGoroutine& one) const { return x_kinds.at(one.start_pc); }

 private:
  std::unordered_map<uint64_t, Kind> x_kinds;  // by the function that they began with
};

}  // namespace unclosed
