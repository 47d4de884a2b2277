// Whoever was lent the connection waits for another one of a pool. Where a pool has lent all that
// it may have, and all to such, nobody can go on: each waits for the others. That ends by itself
// only where a borrower gives up.
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "judge/evidence/evidence.h"

namespace unclosed {
namespace {

const GoroutineNow* nested_borrower(const Member& member, Duration settled) {
  const Owner* owner = member.owner.get();
  if (owner == nullptr || !owner->lent || member.waiting || member.idle <= settled) return nullptr;
  const GoroutineNow* now = borrower(*owner);
  if (now == nullptr || !now->for_pool || !now->wait_seconds) return nullptr;
  return *now->wait_seconds > seconds(settled) ? now : nullptr;
}

}  // namespace

std::optional<Evidence> nested_borrow(const Case& item) {
  struct Stuck {
    std::set<uint64_t> goroutines;
    double longest = 0;
    const GoroutineNow* one = nullptr;
  };
  std::map<const SqlPool*, Stuck> pools;
  for (const auto* member : item.members) {
    if (nested_borrower(*member, item.settled) != nullptr) pools[member->owner->pool.get()];
  }
  if (pools.empty()) return std::nullopt;
  // Those of one pool may have been opened at several places.
  for (const auto& member : item.scene->members) {
    const auto* waiter = nested_borrower(member, item.settled);
    if (waiter == nullptr) continue;
    const auto known = pools.find(member.owner->pool.get());
    if (known == pools.end()) continue;
    auto& stuck = known->second;
    stuck.goroutines.insert(waiter->id);
    stuck.longest = std::max(stuck.longest, *waiter->wait_seconds);
    stuck.one = waiter;
  }
  for (const auto& [pool, stuck] : pools) {
    const bool all = pool->max_open > 0 && pool->in_use >= pool->max_open &&
                     static_cast<int64_t>(stuck.goroutines.size()) >= pool->in_use;
    if (!all) continue;
    std::string text = fmt::format(
        "the pool has lent all {} connections that it may have, each to a goroutine that waits for "
        "another one of a pool, the longest for {}: none can go on",
        stuck.goroutines.size(), text_of(from_seconds(stuck.longest)));
    if (stuck.one->at && stuck.one->own) {
      text += fmt::format(" ({} at {}:{})", stuck.one->at->function, stuck.one->at->file,
                          stuck.one->at->line);
    }
    return Evidence{"nested-borrow", Family::kOwner, true, true, std::move(text)};
  }
  return std::nullopt;
}

}  // namespace unclosed
