// This way of opening has opened many and closed none, and the number of unused ones grows.
#include <fmt/format.h>

#include "judge/evidence/evidence.h"

namespace unclosed {

std::optional<Evidence> never_closed_here(const Case& item) {
  if (!item.rise.steady || item.opened_here < item.many() || item.closed_here != 0) {
    return std::nullopt;
  }
  return Evidence{"never-closed-here", Family::kGrowth, true, false,
                  fmt::format("of {} opened by the same calls none was closed; {} of them are unused",
                              item.opened_here, std::min<size_t>(item.opened_here, item.members.size()))};
}

}  // namespace unclosed
