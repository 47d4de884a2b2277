// Samples of a profile summed up by stack: one small entry for each different stack; names are made
// only for the largest. Shared by the protobuf and the text form. One thread at a time.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <string_view>
#include <vector>

#include "collect/pprof/captured.h"

namespace unclosed {

class SampleTable {
 public:
  static constexpr size_t kMostKeys = 2 << 20;
  static constexpr size_t kMostGroups = 10'000, kMostSites = 2'000;  // that are named
  // kGoroutines: count. kHeap: allocated objects, allocated bytes, objects and bytes in use.
  // kContention: contentions, nanoseconds of delay.
  using Values = std::array<int64_t, 4>;

  // Makes room for so many different stacks.
  void reserve(size_t keys);
  // add() of this key comes soon: its place is fetched meanwhile.
  void expect(uint64_t key) const {
    if (!x_slots.empty()) __builtin_prefetch(&x_slots[key & (x_slots.size() - 1)]);
  }
  // `where` leads the profile's own reader back to the stack.
  void add(uint64_t key, const Values& values, uint64_t where);
  const Values& total() const { return x_total; }

  using Names = std::function<std::vector<NamedFrame>(uint64_t where)>;
  // Groups or sites, largest first, into a capture of `kind`.
  void fill(ProfileKind kind, const Names& names, Captured& into) const;

 private:
  struct Entry {
    uint64_t key = 0, where = 0;
    Values values{};
  };
  Entry* find(uint64_t key);  // made where it is not there; null: no room
  void place(size_t slots);

  // A million stacks come in one profile: entries lie side by side, found by open addressing.
  std::vector<Entry> x_entries;
  std::vector<uint32_t> x_slots;  // index into the entries and one; 0: free
  Values x_total{}, x_others{};
};

// What the frames of the runtime tell of the state that a profile of counts leaves out: "IO wait",
// "select"; "" where they do not.
std::string_view state_of_stack(const std::vector<NamedFrame>& stack);

}  // namespace unclosed
