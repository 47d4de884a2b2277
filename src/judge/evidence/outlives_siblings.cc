// Older than the siblings' survival allows, and more and more of them. Where use is not seen, a
// clean ratio is conclusive: most siblings are closed young, these are far beyond, and rising.
// Where siblings die in a narrow band of age, twice that age is far beyond.
#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "judge/evidence/evidence.h"

namespace unclosed {
namespace {

// Whether a process that opened members closed siblings of them, as far as the samples tell. What
// sessions of their own open, close, and take along to their end tells nothing of a process beside
// them, as the one that writes the files of a database for all.
bool closes_siblings_too(const Case& item, const Siblings& siblings) {
  std::set<ProcessId> openers;
  for (const Member* member : item.members) openers.insert(member->facts->opener);
  bool any = false;
  for (const Cohort* cohort : siblings.cohorts) {
    for (const ClosedSample& sample : cohort->samples) {
      if (openers.contains(sample.facts.opener)) return true;
      any = true;
    }
  }
  return !any;
}

}  // namespace

std::optional<Evidence> outlives_siblings(const Case& item) {
  const auto& siblings = item.main_siblings();
  if (!siblings.usual_life || !item.rise.steady) return std::nullopt;
  const Duration usual = *siblings.usual_life;
  const Duration beyond = std::max(*siblings.outlived, item.settled);
  const auto survivors = static_cast<size_t>(std::count_if(
      item.members.begin(), item.members.end(),
      [&](const Member* member) { return !member->facts->before_attach && member->age > beyond; }));
  if (survivors < item.many()) return std::nullopt;
  if (!closes_siblings_too(item, siblings)) return std::nullopt;
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
