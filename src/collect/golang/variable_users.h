// VariableUsers: which code uses which package variable, by the addresses that instructions name
// relative to themselves: what tells variables apart where a stripped binary has no names for them.
// One thread at a time.
#pragma once

#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "collect/golang/go_process.h"

namespace unclosed {

class VariableUsers {
 public:
  static Result<VariableUsers> read(GoProcess& process);

  // The nearest address at or below this one that any code names; nullopt: none is near.
  std::optional<uint64_t> variable(uint64_t address) const;
  // Addresses of code that names that variable. At most `most`.
  std::vector<uint64_t> of(uint64_t address, size_t most) const;

 private:
  std::vector<std::pair<uint64_t, uint64_t>> x_uses;  // variable and code, ascending
};

}  // namespace unclosed
