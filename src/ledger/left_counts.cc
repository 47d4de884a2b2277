#include "ledger/left_counts.h"

#include <algorithm>

namespace unclosed {

void LeftCounts::vanished(const ConnectionFacts& facts, std::vector<Descriptor> descriptors) {
  if (facts.before_attach || x_vanished.size() >= kMostVanished) return;
  x_vanished.emplace_back(facts, std::move(descriptors));
}

void LeftCounts::settle() {
  constexpr int kLastStandard = 2;  // what replaced a standard stream is nobody's to close
  for (const auto& [facts, descriptors] : std::exchange(x_vanished, {})) {
    const bool left =
        std::all_of(descriptors.begin(), descriptors.end(),
                    [&](const Descriptor& one) { return x_ended.contains(one.process); }) &&
        std::any_of(descriptors.begin(), descriptors.end(),
                    [&](const Descriptor& one) {
                      const bool given =
                          one.process != facts.opener && x_executed.contains(one.process);
                      return one.fd > kLastStandard && !given;
                    });
    if (left) add(facts);
  }
}

void LeftCounts::add(const ConnectionFacts& facts) {
  std::tuple key(facts.opened.stack, facts.kind, facts.role);
  if (x_counts.size() >= kMostWays && !x_counts.contains(key)) {
    key = {kNoStack, facts.kind, Role::kUnknown};
  }
  LeftCount& one = x_counts[key];
  std::tie(one.opened, one.kind, one.role) = key;
  one.opener = facts.opener;
  ++one.count;
}

std::vector<LeftCount> LeftCounts::all() const {
  std::vector<LeftCount> sorted;
  for (const auto& [key, one] : x_counts) sorted.push_back(one);
  std::stable_sort(sorted.begin(), sorted.end(),
                   [](const LeftCount& a, const LeftCount& b) { return a.count > b.count; });
  return sorted;
}

}  // namespace unclosed
