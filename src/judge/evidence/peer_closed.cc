// CLOSE_WAIT for long: the peer has gone and we still hold our end. On an accepted connection
// nobody reads any more, else the end would have been noticed at once; on a dialled one a pool may
// simply not have looked yet, so it counts only where dials have passed it over since, and not when
// all peers went in one burst (a restart). One end of a pair (socketpair) is in no pool: nobody
// dials it again.
#include <fmt/format.h>

#include <algorithm>

#include "judge/evidence/evidence.h"

namespace unclosed {

namespace {

bool of_a_pair(const ConnectionFacts& facts) {
  return facts.kind == Kind::kUnix && facts.role == Role::kUnknown && !facts.before_attach &&
         facts.name.empty();
}

}  // namespace

bool gone_in_one_burst(const Case& item) {
  std::vector<Instant> times;
  for (const auto* member : item.members) {
    if (member->gone_at) times.push_back(*member->gone_at);
  }
  if (times.size() < 3) return false;
  std::sort(times.begin(), times.end());
  const Duration burst = item.scene->policy.long_floor / 15;
  const size_t most = (times.size() * 4 + 4) / 5;
  for (size_t i = 0; i + most <= times.size(); ++i) {
    if (times[i + most - 1] - times[i] <= burst) return true;
  }
  return false;
}

// Of a pipe: a service may keep the one to whoever started it for ever, but not more and more.
static std::optional<Evidence> other_end_closed(const Case& item) {
  size_t holding = 0;
  Duration longest{};
  for (const auto* member : item.members) {
    if (!member->gone_at) continue;
    const Duration held = item.scene->now() - *member->gone_at;
    if (held <= item.scene->policy.long_floor) continue;
    ++holding;
    longest = std::max(longest, held);
  }
  if (holding < item.many() || !item.rise.steady) return std::nullopt;
  return Evidence{"peer-closed", Family::kPeer, true, false,
                  fmt::format("the other end of {} of {} is closed, and they were held for over {} "
                              "since (longest {})",
                              holding, item.members.size(),
                              text_of(item.scene->policy.long_floor), text_of(longest))};
}

std::optional<Evidence> peer_closed(const Case& item) {
  const Scene& scene = *item.scene;
  if (!item.members.front()->tracked) return other_end_closed(item);
  // Where nobody saw who dialled, it may be a pool as well.
  const bool client = item.role != Role::kServer;
  if (client && gone_in_one_burst(item)) return std::nullopt;
  size_t holding = 0;
  size_t owing = 0;
  size_t paired = 0;
  Duration longest{};
  for (const auto* member : item.members) {
    if (!member->gone_at || member->facts->state == TcpState::kClose) continue;
    const Duration held = scene.now() - *member->gone_at;
    if (held <= item.far) continue;
    if (of_a_pair(*member->facts)) {
      ++paired;
    } else if (client) {
      if (member->passing_dials < scene.policy.passing_dials ||
          scene.dials(scene.siblings_of(*member), member->facts->opener, *member->gone_at) == 0) {
        continue;
      }
    } else if (member->waiting) {
      // A slow handler whose client has given up looks the same for a while.
      ++owing;
      longest = std::max(longest, held);
      continue;
    }
    ++holding;
    longest = std::max(longest, held);
  }
  // Which pool those from before the attach belong to is not known; a few may be idle in one that
  // does not dial.
  if (client && item.main_siblings().before_attach && holding < 4 * item.many()) {
    return std::nullopt;
  }
  if (owing >= item.many() && item.rise.steady) holding += owing;
  if (holding == 0) return std::nullopt;
  return Evidence{"peer-closed", Family::kPeer, true, false,
                  fmt::format("the peer of {} of {} has closed, and they were held for over {} "
                              "since (longest {}){}",
                              holding, item.members.size(), text_of(item.far), text_of(longest),
                              client && paired == 0 ? "; new dials passed them over" : "")};
}

std::optional<Evidence> peer_restarted(const Case& item) {
  const bool dialled = item.members.front()->tracked && item.role != Role::kServer;
  if (!dialled || !gone_in_one_burst(item)) return std::nullopt;
  return Evidence{"peer-restarted", Family::kAgainst, false, false,
                  fmt::format("the peers of at least 80% of {} closed within {}: a restart of the "
                              "peer, and a pool that has not looked yet",
                              item.members.size(), text_of(item.scene->policy.long_floor / 15))};
}

}  // namespace unclosed
