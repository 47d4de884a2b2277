// The descriptor's socket is connected to nobody: reset, timed out, or its connect failed, and it
// is still held. A pool may not have looked yet: on dialled ones that were once connected it counts
// where dials have passed them over, and not after one burst.
#include <fmt/format.h>

#include "judge/evidence/evidence.h"

namespace unclosed {

std::optional<Evidence> no_longer_connected(const Case& item) {
  const Scene& scene = *item.scene;
  const bool burst = item.role == Role::kClient && gone_in_one_burst(item);
  size_t holding = 0;
  size_t failed = 0;
  for (const auto* member : item.members) {
    const auto& facts = *member->facts;
    if (facts.kind != Kind::kTcp || facts.state != TcpState::kClose || !member->gone_at) continue;
    if (scene.now() - *member->gone_at <= item.far) continue;
    if (facts.connect_errno != 0) {
      ++failed;
    } else if (facts.role == Role::kClient &&
               (burst || member->passing_dials < scene.policy.passing_dials)) {
      continue;
    }
    ++holding;
  }
  // As with peer-closed: a few may be idle in a pool that does not dial.
  if (item.role == Role::kClient && item.main_siblings().before_attach &&
      holding - failed < 4 * item.many()) {
    return std::nullopt;
  }
  if (holding == 0) return std::nullopt;
  return Evidence{
      "no-longer-connected", Family::kPeer, true, false,
      fmt::format(
          "{} of {} are connected to nobody ({}), and were held for over {} since", holding,
          item.members.size(),
          failed == holding ? "their connect failed" : "reset, timed out or never connected",
          text_of(item.far))};
}

}  // namespace unclosed
