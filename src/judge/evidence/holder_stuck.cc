// The goroutine that holds the connection has been waiting for long, for others to do something
// that they do not do. Counts only while more and more stand there: workers that own a connection
// and wait for work look the same, and do not become more.
#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "judge/evidence/evidence.h"
#include "judge/go_roles.h"

namespace unclosed {
namespace {

const GoroutineNow* stuck_holder(const Member& member, Duration far) {
  const Owner* owner = member.owner.get();
  if (owner == nullptr || member.waiting || member.idle <= far) return nullptr;
  const auto& now = owner->user_now;
  if (!now || !now->own || !now->wait_seconds || *now->wait_seconds <= seconds(far)) return nullptr;
  return waits_for_others(now->state) ? &*now : nullptr;
}

}  // namespace

std::optional<Evidence> holder_stuck(const Case& item) {
  if (!item.rise.steady) return std::nullopt;
  struct Place {
    size_t count = 0;
    double longest = 0;
    const GoroutineNow* one = nullptr;
  };
  std::map<std::pair<std::string, uint32_t>, Place> places;
  size_t stuck = 0;
  for (const auto* member : item.members) {
    const auto* holder = stuck_holder(*member, item.far);
    if (holder == nullptr) continue;
    ++stuck;
    auto& place = places[{holder->at->function, holder->at->line}];
    ++place.count;
    place.longest = std::max(place.longest, *holder->wait_seconds);
    place.one = holder;
  }
  if (stuck == 0) return std::nullopt;
  const auto& most =
      std::max_element(places.begin(), places.end(), [](const auto& a, const auto& b) {
        return a.second.count < b.second.count;
      })->second;
  const NamedFrame& at = *most.one->at;
  return Evidence{
      "holder-stuck", Family::kOwner, true, false,
      fmt::format("the goroutines that hold {} of {} have been waiting for over {} ({} of them in "
                  "{} at {}:{}, longest {})",
                  stuck, item.members.size(), text_of(item.far), most.count, most.one->state,
                  at.function, at.line, text_of(from_seconds(most.longest)))};
}

}  // namespace unclosed
