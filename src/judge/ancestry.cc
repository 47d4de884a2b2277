#include "judge/ancestry.h"

#include <utility>
#include <vector>

namespace unclosed {
namespace {

// The uses that may tell who has a connection: whom it was given to, who wanted it, who sent on it.
std::vector<std::pair<const Use*, BlameRole>> uses_of(const ConnectionFacts& facts) {
  std::vector<std::pair<const Use*, BlameRole>> uses;
  if (facts.borrowed[0]) uses.emplace_back(&*facts.borrowed[0], BlameRole::kBorrowed);
  uses.emplace_back(&facts.opened, BlameRole::kOpened);
  if (facts.requests[0]) uses.emplace_back(&*facts.requests[0], BlameRole::kUsed);
  return uses;
}

uint64_t actor(const Use& use) {
  return use.by.goroutine != 0 ? use.by.goroutine : uint64_t{use.by.thread} << 32;
}

}  // namespace

Ancestry::Ancestry(const Scene& scene) : x_stacks(scene.stacks) {
  for (const auto& member : scene.members) add(*member.facts);
  for (const auto& [key, cohort] : scene.histories.cohorts) {
    for (const auto& sample : cohort.samples) add(sample.facts);
  }
}

void Ancestry::add(const ConnectionFacts& facts) {
  for (const auto& [use, role] : uses_of(facts)) {
    const auto* view = x_stacks.view(use->stack);
    if (view == nullptr || !view->own.empty() || view->started.empty()) continue;
    ++x_seen[use->stack][actor(*use)];
  }
}

std::optional<Ancestry::Starter> Ancestry::of(const ConnectionFacts& facts) const {
  if (facts.role == Role::kServer || facts.role == Role::kListener) return std::nullopt;
  for (const auto& [use, role] : uses_of(facts)) {
    const auto seen = x_seen.find(use->stack);
    if (seen == x_seen.end()) continue;
    const auto mine = seen->second.find(actor(*use));
    if (mine == seen->second.end() || mine->second > 1) continue;
    return Starter{&x_stacks.view(use->stack)->started.back(), role};
  }
  return std::nullopt;
}

}  // namespace unclosed
