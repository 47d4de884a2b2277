// What we sent is not acknowledged and probes stay without answer: the peer went without a word.
// Silence alone says nothing: a quiet client of a server without keep-alive is no evidence here.
#include <fmt/format.h>

#include "judge/evidence/evidence.h"

namespace unclosed {

std::optional<Evidence> peer_vanished(const Case& item) {
  constexpr uint32_t kProbes = 3;
  size_t holding = 0;
  for (const auto* member : item.members) {
    const auto& facts = *member->facts;
    if (facts.unanswered_probes < kProbes || facts.send_queue == 0) continue;
    if (facts.last_send && item.scene->now() - *facts.last_send > item.far) ++holding;
  }
  if (holding == 0) return std::nullopt;
  return Evidence{
      "peer-vanished", Family::kPeer, true, false,
      fmt::format(
          "{} of {} hold unacknowledged bytes for over {} and at least {} probes stayed "
          "without answer: the peer went without closing; keep-alive or a deadline ends such",
          holding, item.members.size(), text_of(item.far), kProbes)};
}

}  // namespace unclosed
