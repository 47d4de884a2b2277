// The process that opened the connection has closed it, and a child that came with a copy still
// holds it and never used it since: the peer sees no end. Not for accepted ones: handing those to a
// child is how forking servers work, and the child waits for its client.
#include <fmt/format.h>

#include <algorithm>

#include "judge/evidence/evidence.h"

namespace unclosed {
namespace {

bool left_to_others(const Member& member) {
  const auto& all = member.history->descriptors;
  return !all.empty() && std::none_of(all.begin(), all.end(), [&](const Descriptor& one) {
    return one.process == member.facts->opener;
  });
}

bool used_since(const ConnectionFacts& facts, Instant then) {
  return (facts.last_send && *facts.last_send > then) ||
         (facts.last_receive && *facts.last_receive > then);
}

}  // namespace

std::optional<Evidence> closed_by_parent(const Case& item) {
  if (item.role == Role::kServer || item.role == Role::kListener) return std::nullopt;
  size_t holding = 0;
  Duration longest{};
  for (const auto* member : item.members) {
    const auto& facts = *member->facts;
    const auto closed = facts.partly_closed_at;
    if (member->history == nullptr || !member->tracked || !closed || facts.before_attach) continue;
    if (!left_to_others(*member) || used_since(facts, *closed)) continue;
    const Duration held = item.scene->now() - *closed;
    if (held <= item.far) continue;
    ++holding;
    longest = std::max(longest, held);
  }
  if (holding == 0) return std::nullopt;
  return Evidence{"closed-by-parent", Family::kOwner, true, false,
                  fmt::format("the process that opened {} of {} has closed them, and a child holds "
                              "them still, unused for over {} (longest {}): the peer sees no end",
                              holding, item.members.size(), text_of(item.far), text_of(longest))};
}

}  // namespace unclosed
