// Leaks that are spread over many peers, at each of them too few to be judged alone.
#include <algorithm>

#include "judge/bench.h"

namespace unclosed {

// What one function left at many peers, at each of them too few to be judged alone. Keep-alive to
// many peers looks the same until a peer is dialled again while its idle connection lies there.
void Bench::try_spread() {
  constexpr size_t kPeers = 3;
  std::map<GroupKey, std::pair<Group, std::set<std::string>>> spread;
  for (const auto& [key, group] : x_groups) {
    if (key.function.empty() || key.role != Role::kClient || !is_socket(key.kind)) continue;
    GroupKey wide = key;
    wide.peer.clear();
    auto& [all, peers] = spread[wide];
    for (const auto* member : group.members) {
      if (x_taken.contains(member) || member->history == nullptr) continue;
      if (member->waiting || member->passing_dials == 0 || member->history->pushes > 1) continue;
      all.members.push_back(member);
      peers.insert(key.peer);
    }
  }
  for (const auto& [key, found] : spread) {
    if (found.second.size() >= kPeers) try_group(key, found.first);
  }
}

// Idle for minutes, beyond the idle timeouts that clients and servers have, and far longer than any
// of the site was before it was closed.
bool Bench::lies_too_long(const Group& group) const {
  Duration longest = 2 * x_scene.policy.long_floor;
  std::set<std::pair<std::string, Kind>> sites;
  for (const auto* member : group.members) {
    const auto& mine = x_scene.siblings_of(*member);
    sites.insert({mine.label, mine.kind});
  }
  for (const auto& siblings : x_scene.siblings) {
    if (!sites.contains({siblings.label, siblings.kind})) continue;
    for (const auto* cohort : siblings.cohorts) {
      for (const auto& sample : cohort->samples) {
        const auto last = last_activity(sample.facts);
        if (last) longest = std::max(longest, sample.closed_at - *last);
      }
    }
  }
  const auto beyond =
      std::count_if(group.members.begin(), group.members.end(),
                    [&](const Member* member) { return member->idle > 2 * longest; });
  return static_cast<size_t>(beyond) >= 2 * x_scene.policy.many_floor;
}

// A leak that meets each peer once: no dial tells that one is in no free list. Only minutes do.
void Bench::try_met_once() {
  constexpr double kDistinct = 0.7;  // peers among the members
  std::map<GroupKey, std::pair<Group, std::set<std::string>>> spread;
  for (const auto& [key, group] : x_groups) {
    if (key.function.empty() || key.role != Role::kClient || !is_socket(key.kind)) continue;
    GroupKey wide = key;
    wide.peer.clear();
    auto& [all, peers] = spread[wide];
    for (const auto* member : group.members) {
      if (x_taken.contains(member) || member->history == nullptr || member->waiting) continue;
      if (member->history->pushes > 1 || member->facts->request_count > 1) continue;
      all.members.push_back(member);
      peers.insert(key.peer);
    }
  }
  for (const auto& [key, found] : spread) {
    const auto& [all, peers] = found;
    const double distinct = static_cast<double>(peers.size());
    if (distinct < kDistinct * static_cast<double>(all.members.size())) continue;
    if (lies_too_long(all)) try_group(key, all);
  }
}

}  // namespace unclosed
