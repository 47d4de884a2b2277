// This way of opening has opened many and closed none, and the number of unused ones grows.
#include <fmt/format.h>

#include <algorithm>

#include "judge/evidence/evidence.h"

namespace unclosed {

std::optional<Evidence> never_closed_here(const Case& item) {
  if (!item.rise.steady || item.opened_here < item.many() || item.closed_here != 0) {
    return std::nullopt;
  }
  const uint64_t unused = std::min<uint64_t>(item.opened_here, item.members.size());
  return Evidence{
      "never-closed-here", Family::kGrowth, true, false,
      fmt::format("of {} opened by the same calls none was closed; {} of them are unused",
                  item.opened_here, unused)};
}

}  // namespace unclosed
