// VariableUsers: which code uses which package variable, by the addresses that instructions name
// relative to themselves: what tells variables apart where a stripped binary has no names for them.
// One thread at a time.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "collect/golang/go_process.h"

namespace unclosed {

class VariableUsers {
 public:
  static Result<VariableUsers> read(GoProcess& process);

  // Addresses of code that names the variable around `address`: the nearest at or below that any
  // code names. At most `most`.
  std::vector<uint64_t> of(uint64_t address, size_t most) const;

 private:
  std::vector<std::pair<uint64_t, uint64_t>> x_uses;  // variable and code, ascending
};

}  // namespace unclosed
