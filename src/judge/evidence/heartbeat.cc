// A library keeps them alive by itself: traffic that says nothing about whether anybody needs them.
// It counts neither as use nor for a leak; it is said, because it explains why they are not silent.
#include <fmt/format.h>

#include <algorithm>

#include "judge/evidence/evidence.h"

namespace unclosed {

std::optional<Evidence> heartbeat(const Case& item) {
  const auto pinging = std::count_if(item.members.begin(), item.members.end(),
                                     [](const Member* member) { return member->heartbeat; });
  if (pinging == 0) return std::nullopt;
  return Evidence{"heartbeat", Family::kAgainst, false, false,
                  fmt::format("on {} of {} only a library still sends, by itself; those who use "
                              "such connections are seen doing so, and nobody does here",
                              pinging, item.members.size())};
}

}  // namespace unclosed
