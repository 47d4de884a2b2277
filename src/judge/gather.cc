// Candidates to groups: by the function that each is blamed on, across peers where it left only a
// few at each, and beside others of their kind where not all of their stacks were taken.
#include <algorithm>

#include "judge/bench.h"

namespace unclosed {

GroupKey Bench::key_of(const Member& member) const {
  const auto& group = x_scene.siblings_of(member);
  GroupKey key{"", "", member.facts->kind, member.facts->role, group.peer, ""};
  if (const auto blamed = x_blamer.blame(member)) {
    key.function = blamed->site.function;
    key.file = blamed->site.file;
  } else {
    key.label = group.label;
  }
  return key;
}

// The group of a member of which not all stacks were taken: one that its other stacks fit, or the
// only one there is, where it has none that tells.
GroupKey Bench::key_beside(const Member& member, const std::map<GroupKey, Group>& sure) const {
  GroupKey own = key_of(member);
  const GroupKey* fits = nullptr;
  const GroupKey* only = nullptr;
  size_t alike = 0;
  for (const auto& [key, group] : sure) {
    if (key.function.empty() || key.kind != own.kind || key.role != own.role ||
        key.peer != own.peer) {
      continue;
    }
    ++alike;
    only = &key;
    if (!x_blamer.passes_through(member, key.function, key.file)) continue;
    if (fits == nullptr || group.members.size() > sure.at(*fits).members.size()) fits = &key;
  }
  if (fits != nullptr) return *fits;
  const bool tells = !own.function.empty() && own.role != Role::kServer;
  return alike == 1 && !tells ? *only : own;
}

void Bench::gather() {
  std::vector<const Member*> unsure;
  for (const auto& member : x_scene.members) {
    if (!member.candidate) continue;
    if (x_blamer.complete(*member.facts)) {
      x_groups[key_of(member)].members.push_back(&member);
    } else {
      unsure.push_back(&member);
    }
  }
  const auto sure = x_groups;
  for (const auto* member : unsure) x_groups[key_beside(*member, sure)].members.push_back(member);
  gather_healed();
  merge_peers();
}

// Unread answers and ends that one function left at many peers, at each of them few: one group.
void Bench::merge_peers() {
  constexpr size_t kPeers = 3;
  std::map<GroupKey, std::vector<GroupKey>> wide;
  for (const auto& [key, group] : x_groups) {
    const bool certain =
        std::all_of(group.members.begin(), group.members.end(), [](const Member* member) {
          return member->history != nullptr && (member->unread || member->gone_at);
        });
    if (key.function.empty() || key.role != Role::kClient || !is_socket(key.kind) || !certain ||
        group.healed > 0 || group.members.size() >= x_scene.policy.many_floor) {
      continue;
    }
    GroupKey all = key;
    all.peer.clear();
    wide[all].push_back(key);
  }
  for (const auto& [key, parts] : wide) {
    if (parts.size() < kPeers) continue;
    for (const auto& part : parts) {
      const auto members = std::move(x_groups.at(part).members);
      x_groups.erase(part);
      auto& all = x_groups[key].members;
      all.insert(all.end(), members.begin(), members.end());
    }
  }
}

// Closed by a finalizer: those that were sampled tell who had forgotten them; all are counted.
void Bench::gather_healed() {
  for (size_t i = 0; i < x_scene.siblings.size(); ++i) {
    for (const auto* cohort : x_scene.siblings[i].cohorts) {
      const auto by_collector = [&](const ClosedSample& sample) {
        return x_scene.by_collector(sample);
      };
      const bool sampled =
          std::any_of(cohort->samples.begin(), cohort->samples.end(), by_collector);
      for (const auto& sample : sampled ? cohort->samples : cohort->firsts) {
        if (!by_collector(sample)) continue;
        Member member;
        member.facts = &sample.facts;
        member.siblings = i;
        member.settled = x_scene.siblings[i].settled;
        member.far = x_scene.siblings[i].far;
        member.tracked = is_socket(sample.facts.kind);
        x_healed_samples.push_back(member);
      }
    }
  }
  std::map<size_t, std::map<GroupKey, uint64_t>> sampled;
  for (const auto& member : x_healed_samples) ++sampled[member.siblings][key_of(member)];
  for (const auto& [index, keys] : sampled) {
    // Not at every close is the closer looked at: its share holds for all.
    double healed = 0;
    for (const auto* cohort : x_scene.siblings[index].cohorts) {
      double collector = 0;
      double all = 0;
      for (const auto& closer : cohort->closers) {
        const auto* view = x_scene.stacks.view(closer.stack);
        const auto count = static_cast<double>(closer.count);
        all += count;
        collector += view != nullptr && view->collector ? count : 0;
      }
      healed += static_cast<double>(cohort->collected);
      const uint64_t others = cohort->closed - std::min(cohort->closed, cohort->collected);
      if (all > 0) healed += std::max(static_cast<double>(others), all) * collector / all;
    }
    uint64_t samples = 0;
    for (const auto& [key, count] : keys) samples += count;
    for (const auto& [key, count] : keys) {
      x_groups[key].healed += static_cast<uint64_t>(
          healed * static_cast<double>(count) / static_cast<double>(samples) + 0.5);
    }
  }
  // A case needs somebody to speak of; a healed sample does where nothing is open any more.
  for (const auto& member : x_healed_samples) {
    auto& group = x_groups[key_of(member)];
    if (group.members.empty()) group.members.push_back(&member);
  }
  join_older_healed();
}

// The one function that may have forgotten what the collector closed of these: the only one that is
// known to forget such, or where none is known yet, the only one that left many alone for long.
Group* Bench::who_forgets(const GroupKey& key) {
  std::vector<Group*> known, likely;
  for (auto& [other, named] : x_groups) {
    if (other.kind != key.kind || other.peer != key.peer || other.function.empty()) continue;
    if (named.healed > 0) known.push_back(&named);
    const auto left = std::count_if(named.members.begin(), named.members.end(),
                                    [](const auto* one) { return one->idle > one->far; });
    if (left >= x_scene.policy.many_floor) likely.push_back(&named);
  }
  const auto& those = known.empty() ? likely : known;
  return those.size() == 1 ? those.front() : nullptr;
}

// The collector closed some that were opened before the attach as well.
void Bench::join_older_healed() {
  for (auto entry = x_groups.begin(); entry != x_groups.end();) {
    const auto& [key, group] = *entry;
    const bool nobody = key.function.empty() && group.healed > 0 &&
                        std::all_of(group.members.begin(), group.members.end(),
                                    [](const auto* it) { return it->facts->before_attach; });
    Group* forgets = nobody ? who_forgets(key) : nullptr;
    if (forgets != nullptr) {
      forgets->healed += group.healed;
      entry = x_groups.erase(entry);
    } else {
      ++entry;
    }
  }
}

}  // namespace unclosed
