// Older than the siblings' survival allows, and more and more of them. Where use is not seen, a
// clean ratio is conclusive: most siblings are closed young, these are far beyond, and rising.
// Where siblings die in a narrow band of age, twice that age is far beyond.
#include <fmt/format.h>

#include <algorithm>

#include "judge/evidence/evidence.h"

namespace unclosed {

std::optional<Evidence> outlives_siblings(const Case& item) {
  const auto& siblings = item.main_siblings();
  if (!siblings.usual_life || !item.rise.steady) return std::nullopt;
  const Duration usual = *siblings.usual_life;
  const Duration beyond = std::max(*siblings.outlived, item.settled);
  const auto survivors = static_cast<size_t>(std::count_if(
      item.members.begin(), item.members.end(),
      [&](const Member* member) { return !member->facts->before_attach && member->age > beyond; }));
  if (survivors < item.many()) return std::nullopt;
  const bool tracked = item.members.front()->tracked;
  const bool clean = siblings.closed * 2 >= siblings.opened;
  return Evidence{
      "outlives-siblings", Family::kGrowth, true, !tracked && clean,
      fmt::format("{} of {} are older than {}, while 99% of {} closed siblings lived for less than "
                  "{}{}; new ones came in {} of {} parts of the window",
                  survivors, item.members.size(), text_of(beyond), siblings.closed, text_of(usual),
                  siblings.narrow_band ? ", nearly all to the same age" : "", item.rise.windows_hit,
                  item.rise.windows)};
}

}  // namespace unclosed
