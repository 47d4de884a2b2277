// An answer to a request of ours waits in the receive queue, untouched for long: whoever asked has
// turned away. Not for bytes that came unasked (a notice, a farewell of the peer).
#include <fmt/format.h>

#include <algorithm>

#include "judge/evidence/evidence.h"

namespace unclosed {

std::optional<Evidence> unread_response(const Case& item) {
  size_t holding = 0;
  uint64_t least = UINT64_MAX;
  uint64_t most = 0;
  for (const auto* member : item.members) {
    if (!member->unread || member->idle <= item.far) continue;
    ++holding;
    least = std::min(least, member->facts->recv_queue);
    most = std::max(most, member->facts->recv_queue);
  }
  if (holding == 0) return std::nullopt;
  const std::string bytes =
      least == most ? fmt::format("{} each", most) : fmt::format("{} to {}", least, most);
  return Evidence{"unread-response", Family::kUse, true, false,
                  fmt::format("{} of {} hold unread bytes ({}) for over {}", holding,
                              item.members.size(), bytes, text_of(item.far))};
}

}  // namespace unclosed
