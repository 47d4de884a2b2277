// The application itself was given end-of-file, ECONNRESET or EPIPE, and held the connection long
// after. Conclusive: whoever read the end knows that nothing will come. Not for a handler that
// still owes its answer (a half-closed client may wait for it), until it is far too late for that.
#include <fmt/format.h>

#include <algorithm>

#include "judge/evidence/evidence.h"

namespace unclosed {

std::optional<Evidence> end_ignored(const Case& item) {
  constexpr int kOwingFactor = 4;
  size_t holding = 0;
  size_t errors = 0;
  Duration longest{};
  for (const auto* member : item.members) {
    const auto& facts = *member->facts;
    if (!facts.end_seen_at || !member->gone_at) continue;
    if (facts.last_receive &&
        *facts.last_receive > *facts.end_seen_at + std::chrono::milliseconds(10)) {
      continue;
    }
    const Duration held = item.scene->now() - std::max(*facts.end_seen_at, *member->gone_at);
    if (held <= (member->waiting ? kOwingFactor * item.far : item.far)) continue;
    ++holding;
    errors += facts.end_errno != 0 ? 1 : 0;
    longest = std::max(longest, held);
  }
  if (holding == 0) return std::nullopt;
  return Evidence{
      "end-ignored", Family::kPeer, true, true,
      fmt::format("the service was told of the end ({}) of {} of {}, and held them for over {} "
                  "after (longest {})",
                  errors == 0         ? "end-of-file"
                  : errors == holding ? "an error"
                                      : "end-of-file or an error",
                  holding, item.members.size(), text_of(item.far), text_of(longest))};
}

}  // namespace unclosed
