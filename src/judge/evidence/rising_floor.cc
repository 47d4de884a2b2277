// The least number of connections left alone rises from window to window, to the end. A set that is
// used again is not counted, a burst or a filling that ends does not rise, and where others go for
// those that come the count is bounded.
#include <fmt/format.h>

#include <algorithm>

#include "judge/evidence/evidence.h"

namespace unclosed {
namespace {

// Other sites of the same process close what they open of this kind and role, and soon: the process
// as a whole does not keep such things.
uint64_t closed_elsewhere(const Case& item) {
  uint64_t closed = 0;
  for (size_t i = 0; i < item.scene->siblings.size(); ++i) {
    const auto& other = item.scene->siblings[i];
    if (other.kind != item.kind || other.role != item.role) continue;
    if (!other.usual_life || *other.usual_life > item.settled) continue;
    closed += other.closed;
  }
  return closed;
}

}  // namespace

std::optional<Evidence> rising_floor(const Case& item) {
  const Rise& rise = item.rise;
  if (!rise.steady) return std::nullopt;
  const uint64_t elsewhere = closed_elsewhere(item);
  const bool tracked = item.members.front()->tracked;
  // Where use is not seen, growth is all there is: unmistakable growth has to be enough.
  const bool unmistakable =
      !tracked && rise.even && item.closed_here == 0 && elsewhere >= 4 * item.many();
  return Evidence{
      "rising-floor", Family::kGrowth, true, unmistakable,
      fmt::format("the number of those left alone for over {} rose in {} of {} parts of {} each{}{}",
                  text_of(item.settled), rise.windows_hit, rise.windows, text_of(rise.window),
                  // Those that owe an answer stand out by their arrivals alone.
                  rise.last_floor > rise.first_floor
                      ? fmt::format(", from {} to {}", rise.first_floor, rise.last_floor)
                      : "",
                  unmistakable
                      ? fmt::format("; {} others of this kind were closed young", elsewhere)
                      : "")};
}

std::optional<Evidence> bounded_count(const Case& item) {
  if (item.rise.steady) return std::nullopt;
  return Evidence{"bounded", Family::kAgainst, false, false,
                  fmt::format("the number of those left alone does not keep rising ({} came in {} "
                              "of {} parts of the window)",
                              item.rise.arrivals, item.rise.windows_hit, item.rise.windows)};
}

std::optional<Evidence> used_again(const Case& item) {
  size_t used = 0;
  for (const auto* member : item.members) used += member->candidate || member->waiting ? 0 : 1;
  if (used == 0 || !item.main_siblings().usual_idle) return std::nullopt;
  return Evidence{
      "used-again", Family::kAgainst, false, false,
      fmt::format("{} of {} are in use, or idle no longer than usual (99% are used again "
                  "within {})",
                  used, item.members.size(), text_of(*item.main_siblings().usual_idle))};
}

// No leak, and yet what a service dies of as well: a peer that does not answer, and nobody who
// gives up on it.
std::optional<Evidence> awaiting_answer(const Case& item) {
  size_t waiting = 0;
  Duration longest{};
  for (const auto* member : item.members) {
    if (!member->tracked || !member->waiting || member->idle <= item.settled) continue;
    ++waiting;
    longest = std::max(longest, member->idle);
  }
  if (waiting < item.many()) return std::nullopt;
  return Evidence{"awaiting-answer", Family::kAgainst, false, false,
                  fmt::format("{} of {} {} for over {} (longest {})", waiting, item.members.size(),
                              item.role == Role::kServer ? "owe an answer" : "wait for an answer",
                              text_of(item.settled), text_of(longest))};
}

}  // namespace unclosed
