// Facts of a connection as few bytes: 100,000 open connections have to fit, and most facts of most
// connections are absent. In memory only; never stored, so there is no version. Numbers are
// varints, times are signed varints against a base, a bit mask says which optional parts follow.
// Any thread.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <vector>

#include "model/connection.h"

namespace unclosed {

class PackedFacts {
 public:
  PackedFacts() = default;
  PackedFacts(const ConnectionFacts& facts, std::span<const Descriptor> descriptors, Instant base,
              std::span<const Copy> copies = {});

  ConnectionFacts facts(Instant base) const;
  std::vector<Descriptor> descriptors(Instant base) const;
  std::vector<Copy> copies(Instant base) const;
  size_t bytes() const { return x_size; }

 private:
  std::unique_ptr<std::byte[]> x_bytes;
  uint32_t x_size = 0;
};

}  // namespace unclosed
