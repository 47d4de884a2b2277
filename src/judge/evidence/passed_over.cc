// New dials began while these lay idle with their answer read: they are in no free list of the one
// who dials. Two pools to one peer pass each other's idle connections over as well, but the number
// of those does not grow; so it counts only while more and more are passed over.
#include <fmt/format.h>

#include <algorithm>

#include "judge/evidence/evidence.h"

namespace unclosed {

namespace {

// To many peers, few connections each: one dial past it is enough where many were passed over.
std::optional<Evidence> passed_over_at_peers(const Case& item) {
  uint32_t dials = 0;
  for (const auto* member : item.members) {
    if (member->waiting || member->passing_dials == 0) return std::nullopt;
    dials += member->passing_dials;
  }
  if (item.members.size() < 2 * item.many() || !item.rise.steady) return std::nullopt;
  return Evidence{"passed-over", Family::kUse, true, false,
                  fmt::format("{} to {} peers lay idle for over {}, and were not used again while "
                              "the same site dialled the same peers {} times",
                              item.members.size(), item.peers, text_of(item.settled), dials)};
}

}  // namespace

std::optional<Evidence> passed_over(const Case& item) {
  if (item.peers > 1) return passed_over_at_peers(item);
  size_t passed = 0;
  size_t for_long = 0;
  uint32_t least = UINT32_MAX;
  for (const auto* member : item.members) {
    if (!member->passed_over) continue;
    ++passed;
    for_long += member->idle > item.far ? 1 : 0;
    least = std::min(least, member->passing_dials);
  }
  if (passed < item.many() || for_long == 0 || !item.rise.steady) return std::nullopt;
  if (passed * 2 < item.members.size()) return std::nullopt;
  return Evidence{"passed-over", Family::kUse, true, false,
                  fmt::format("{} of {} lay idle for over {} ({} for over {}) while the same site "
                              "dialled at least {} new ones, and were not used again",
                              passed, item.members.size(), text_of(item.settled), for_long,
                              text_of(item.far), least)};
}

}  // namespace unclosed
