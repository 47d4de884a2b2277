#include "judge/verdict.h"

#include <algorithm>
#include <set>

#include "judge/evidence/evidence.h"

namespace unclosed {

std::vector<Evidence> weigh(const Case& item) {
  std::vector<Evidence> evidence;
  for (const auto weigh_one :
       {closed_by_collector, end_ignored, peer_closed, no_longer_connected, peer_vanished,
        unread_response, passed_over, outlives_siblings, never_closed_here, rising_floor,
        closed_by_parent, owner_gone, holder_stuck, lent_out, bounded_count, peer_restarted,
        heartbeat, in_free_list}) {
    if (auto found = weigh_one(item)) evidence.push_back(*std::move(found));
  }
  std::stable_sort(evidence.begin(), evidence.end(), [](const Evidence& a, const Evidence& b) {
    return std::pair(!a.conclusive, !a.in_favour) < std::pair(!b.conclusive, !b.in_favour);
  });
  return evidence;
}

Verdict decide(const Case& item, const std::vector<Evidence>& evidence) {
  std::set<Family> families;
  for (const auto& one : evidence) {
    if (!one.in_favour) continue;
    if (one.conclusive) return Verdict::kLeaking;
    families.insert(one.family);
  }
  if (families.size() >= 2) return Verdict::kLeaking;
  if (families.empty()) return Verdict::kHealthy;
  if (families.contains(Family::kGrowth)) {
    // More and more clients that stay are not the server's leak, and few are not a growth.
    if (item.role == Role::kServer || item.rise.arrivals < item.many()) return Verdict::kHealthy;
    // Where use is seen and nothing of it speaks for a leak, a few more idle ones are a filling,
    // unless nothing of the kind was ever used again or closed.
    const bool tracked = item.members.front()->tracked;
    const bool forgets = !item.main_siblings().usual_idle && item.closed_here == 0;
    const bool wide = item.rise.windows_hit * 4 >= item.rise.windows * 3;
    if (tracked && (!wide || (item.rise.arrivals < 2 * item.many() && !forgets)))
      return Verdict::kHealthy;
  }
  return Verdict::kSuspect;
}

}  // namespace unclosed
