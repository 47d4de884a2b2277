// Goroutines counted by what they do: one small entry for each key that was met, so that a million
// goroutines in a thousand places cost a thousand entries. Texts are parsed only at the end, for
// the largest groups. Beyond a bound of different keys goroutines are counted as others. One thread
// at a time; tables of several threads are merged, and the result does not depend on who read what.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "collect/pprof/trace.h"
#include "model/goroutine.h"

namespace unclosed {

class StackTable {
 public:
  static constexpr size_t kMostKeys = 1 << 18;
  static constexpr size_t kMostGroups = 10'000;

  enum class Added : uint8_t { kNew, kKnown, kOther };
  // Counts one goroutine whose text lies at `offset` of its source.
  Added add(const TraceFacts& facts, uint64_t offset);
  void merge(const StackTable& other);

  uint64_t goroutines() const { return x_goroutines; }

  // The text of `size` bytes at `offset`; nullopt: it cannot be read any more.
  using Texts = std::function<std::optional<std::string>(uint64_t offset, size_t size)>;
  struct Groups {
    std::vector<GoroutineGroup> groups;             // largest first
    uint64_t others = 0;                            // goroutines that are in none of them
    std::unordered_map<uint64_t, uint64_t> counts;  // of every key, also of those without a group
  };
  Groups groups(const Texts& texts) const;

 private:
  struct Entry {
    uint64_t count = 0, offset = 0;
    uint32_t size = 0;
    uint32_t least_minutes = UINT32_MAX, most_minutes = 0;
    uint64_t parent = 0, locked = 0, leaked = 0;
    std::array<uint64_t, 4> ids{};  // the smallest, sorted; 0 behind them

    void take_id(uint64_t id);
    void take(const Entry& other);
  };
  static void describe(const Entry& entry, GoroutineGroup& group);
  Added put(uint64_t key, const Entry& entry);

  std::unordered_map<uint64_t, Entry> x_entries;
  uint64_t x_goroutines = 0, x_others = 0;
};

}  // namespace unclosed
