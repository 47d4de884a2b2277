// Whoever used the connection last has ended, no goroutine with own code reaches it, and no pool
// has it to give. What a package variable holds may be in a pool that is not known here, and does
// not count; nor does anything that does not become more. But where a pool that is known has lent
// it, and nothing but that pool's own books leads to it, nobody is left who could give it back.
#include <fmt/format.h>

#include <algorithm>

#include "judge/evidence/evidence.h"

namespace unclosed {
namespace {

bool led_to_by_a_library(const Holder& holder) {
  switch (holder.kind) {
    case HolderKind::kGarbage:
    case HolderKind::kRuntime:
      return true;
    case HolderKind::kGoroutine:
      return !holder.own;        // of the library, for the connection alone
    case HolderKind::kVariable:  // a pool, maybe one that is not known here
    case HolderKind::kUnknown:
      return false;
  }
  return false;
}

// Every way that was found leads from a library, and its pool, if it has one that is known, was read
// and does not have it to give.
bool nobody_has_it(const Held& held) {
  return held.free_list.empty() && held.in_pool != InPool::kUnread &&
         led_to_by_a_library(held.holder) &&
         std::all_of(held.others.begin(), held.others.end(), led_to_by_a_library);
}

bool by_the_books(const Holder& holder) {
  return holder.by_pool || led_to_by_a_library(holder);
}

// Members that a pool has lent and that only the pool knows of, while others wait for one.
std::optional<Evidence> lost_to_the_pool(const Case& item) {
  size_t lost = 0;
  uint64_t waiting = 0;
  for (const auto* member : item.members) {
    const Owner* owner = member->owner.get();
    if (owner == nullptr || !owner->held || owner->user_now || owner->want_one == 0) continue;
    const Held& held = *owner->held;
    const bool lost_one = held.in_pool == InPool::kLent && by_the_books(held.holder) &&
                          std::all_of(held.others.begin(), held.others.end(), by_the_books);
    if (!lost_one || member->waiting || member->idle <= item.far) continue;
    ++lost;
    waiting = std::max(waiting, owner->want_one);
  }
  if (lost < item.many()) return std::nullopt;
  return Evidence{"owner-gone", Family::kOwner, true, true,
                  fmt::format("{} of {} were lent by their pool and have not been used for over "
                              "{}, nothing but the pool's own books leads to them, and {} {} for "
                              "one",
                              lost, item.members.size(), text_of(item.far), waiting,
                              waiting == 1 ? "goroutine waits" : "goroutines wait")};
}

}  // namespace

std::optional<Evidence> owner_gone(const Case& item) {
  if (auto lost = lost_to_the_pool(item)) return lost;
  if (!item.rise.steady) return std::nullopt;
  size_t gone = 0;
  size_t garbage = 0;
  for (const auto* member : item.members) {
    const Owner* owner = member->owner.get();
    if (owner == nullptr || !owner->user || owner->user_now || !owner->held) continue;
    if (!nobody_has_it(*owner->held) || member->waiting || member->idle <= item.settled) continue;
    ++gone;
    garbage += owner->held->holder.kind == HolderKind::kGarbage ? 1 : 0;
  }
  if (gone == 0) return std::nullopt;
  std::string text = fmt::format(
      "the goroutines that used {} of {} last have ended, none of the service's own reaches them, "
      "and no pool has them to give",
      gone, item.members.size());
  if (garbage > 0)
    text +=
        fmt::format("; nothing refers to {} of them any more: a collection closes them", garbage);
  return Evidence{"owner-gone", Family::kOwner, true, false, std::move(text)};
}

}  // namespace unclosed
