// The peer went without a word. Either what we sent is not acknowledged and probes stay without
// answer, or a client fell silent far beyond its like, and no keep-alive asks whether it is there.
#include <fmt/format.h>

#include "judge/evidence/evidence.h"
#include "judge/silence.h"

namespace unclosed {

std::optional<Evidence> peer_vanished(const Case& item) {
  size_t holding = 0;
  size_t silent = 0;
  for (const auto* member : item.members) {
    const auto& facts = *member->facts;
    silent += member->silent ? 1 : 0;
    if (!unanswered(facts)) continue;
    if (facts.last_send && item.scene->now() - *facts.last_send > item.far) ++holding;
  }
  if (silent < item.many()) silent = 0;
  if (holding + silent == 0) return std::nullopt;
  std::string text;
  if (holding > 0) {
    text = fmt::format(
        "{} of {} hold unacknowledged bytes for over {} and at least 3 probes stayed without "
        "answer: the peer went without closing",
        holding, item.members.size(), text_of(item.far));
  }
  if (silent > 0) {
    text += fmt::format(
        "{}{} of {} fell silent for over {}, while others of the same rhythm speak on or say "
        "goodbye, and no keep-alive asks whether the client is there",
        text.empty() ? "" : "; ", silent, item.members.size(),
        text_of(silence_floor(item.scene->policy)));
  }
  return Evidence{"peer-vanished", Family::kPeer, true, false,
                  text + "; keep-alive or a deadline ends such"};
}

}  // namespace unclosed
