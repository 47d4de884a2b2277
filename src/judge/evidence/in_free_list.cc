// The pool has it to give: idle is what it is meant to be. Told of groups of which some were left
// alone; such connections are no candidates (scene.cc), unless each is in a pool of its own.
#include <fmt/format.h>

#include "judge/evidence/evidence.h"

namespace unclosed {

std::optional<Evidence> in_free_list(const Case& item) {
  size_t listed = 0;
  const std::string* name = nullptr;
  for (const auto* member : item.members) {
    if (!member->given_back) continue;
    ++listed;
    name = &member->owner->held->free_list;
  }
  if (listed == 0) return std::nullopt;
  return Evidence{"in-free-list", Family::kAgainst, false, false,
                  fmt::format("{} of {} are in the free list of their pool ({})", listed,
                              item.members.size(), *name)};
}

}  // namespace unclosed
