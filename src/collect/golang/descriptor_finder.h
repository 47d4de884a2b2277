// DescriptorFinder: the descriptor of a connection that lies somewhere behind an interface value of
// a Go process, found field by field by Go's own descriptions of types, without guessing where an
// object ends. It cannot know what lies behind values of types that are not described, or behind
// maps, slices and channels. One thread at a time.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "collect/golang/type_reader.h"

namespace unclosed {

class DescriptorFinder {
 public:
  explicit DescriptorFinder(GoProcess& process) : x_process(process), x_types(process) {}

  // What an interface with methods holds, by its first word; null: no such table is there.
  const TypeInfo* behind_table(uint64_t itab);

  // The descriptor's number of a connection: that of the nearest internal/poll.FD behind an
  // interface value at `address`; nullopt: none within reach. All questions together follow a
  // limited number of words: beyond it there is no answer.
  std::optional<int> behind(uint64_t address);
  // The same behind a value of any type: where that internal/poll.FD lies; nullopt: none within
  // reach.
  std::optional<uint64_t> file_behind(uint64_t type, uint64_t address);

 private:
  struct Place {
    const TypeInfo* type = nullptr;
    uint64_t address = 0;
    unsigned depth = 0;
  };
  std::optional<Place> inside(const TypeInfo& type, uint64_t address, unsigned depth);
  void enqueue(const Place& place, std::vector<Place>& queue);
  std::optional<uint64_t> nearest_file(const Place& first);

  GoProcess& x_process;
  TypeReader x_types;
  uint64_t x_followed = 0;
};

}  // namespace unclosed
