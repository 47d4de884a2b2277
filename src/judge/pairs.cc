#include "judge/pairs.h"

#include <algorithm>
#include <map>
#include <set>
#include <tuple>

namespace unclosed {
namespace {

// One for one: most clients have one dialled for them, or most that were dialled have a client, and
// half of the clients at least. Fewer meet by chance.
constexpr double kMost = 0.8;
constexpr double kHalf = 0.5;

using ByOpening = std::vector<Member*>;

ByOpening& sort_by_opening(ByOpening& members) {
  std::sort(members.begin(), members.end(), [](const Member* a, const Member* b) {
    return a->facts->opened.at < b->facts->opened.at;
  });
  return members;
}

// Each dialled one takes the latest accepted one that came shortly before it and is free.
std::vector<Member*> match(const ByOpening& dialled, const ByOpening& accepted, Duration shortly) {
  std::vector<Member*> matched;
  std::vector<const Member*> free;
  size_t next = 0;
  for (auto* member : dialled) {
    const Instant at = member->facts->opened.at;
    while (next < accepted.size() && accepted[next]->facts->opened.at <= at) {
      free.push_back(accepted[next++]);
    }
    if (free.empty() || at - free.back()->facts->opened.at > shortly) continue;
    free.pop_back();
    matched.push_back(member);
  }
  return matched;
}

}  // namespace

void mark_paired(Scene& scene) {
  std::map<std::tuple<ProcessId, Kind, std::string>, ByOpening> dialled;
  std::map<std::pair<ProcessId, std::string>, ByOpening> accepted;
  // What a process dials of its own: the other end is no client of anybody else.
  std::set<std::pair<ProcessId, Endpoint>> ours;
  for (const auto& member : scene.members) {
    const auto& facts = *member.facts;
    if (facts.role == Role::kClient && facts.local.known()) {
      ours.emplace(facts.opener, facts.local);
    }
  }
  for (auto& member : scene.members) {
    const auto& facts = *member.facts;
    if (facts.before_attach || !member.tracked) continue;
    const std::string& peer = scene.siblings_of(member).peer;
    if (facts.role == Role::kServer && !member.gone_at &&
        !ours.contains({facts.opener, facts.peer})) {
      accepted[{facts.opener, peer}].push_back(&member);
    } else if (facts.role == Role::kClient) {
      dialled[{facts.opener, facts.kind, peer}].push_back(&member);
    }
  }
  for (auto& [port, clients] : accepted) sort_by_opening(clients);
  for (auto& [key, members] : dialled) {
    if (members.size() < scene.policy.many_floor) continue;
    sort_by_opening(members);
    for (const auto& [port, clients] : accepted) {
      if (port.first != std::get<0>(key)) continue;
      const auto matched = match(members, clients, scene.policy.dial_race());
      const double of_dialled =
          static_cast<double>(matched.size()) / static_cast<double>(members.size());
      const double of_accepted =
          static_cast<double>(matched.size()) / static_cast<double>(clients.size());
      const bool for_each_client =
          of_accepted >= kMost && clients.size() >= scene.policy.many_floor;
      if (!for_each_client && (of_dialled < kMost || of_accepted < kHalf)) continue;
      for (auto* member : matched) member->paired = true;
    }
  }
}

}  // namespace unclosed
