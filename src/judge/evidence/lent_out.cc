// A pool has lent all that it may have, each to somebody who will not give it back by himself: who
// waits for another one of a pool (each waits for the others), or has long been waiting for other
// goroutines while borrowers stand in line. That ends only where somebody gives up. Needs neither
// growth nor traffic: there is none any more.
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "judge/evidence/evidence.h"
#include "judge/go_roles.h"

namespace unclosed {
namespace {

const GoroutineNow* stuck_borrower(const Member& member, const Case& item) {
  const Owner* owner = member.owner.get();
  if (owner == nullptr || !owner->lent || member.waiting || member.idle <= item.settled)
    return nullptr;
  const GoroutineNow* now = borrower(*owner);
  if (now == nullptr || !now->wait_seconds) return nullptr;
  // Workers that keep a connection each wait for work as well: nobody stands in line there.
  const bool kept = !now->for_pool && waits_for_others(now->state) && owner->pool->waiting > 0;
  if (!now->for_pool && !kept) return nullptr;
  return *now->wait_seconds > seconds(kept ? item.far : item.settled) ? now : nullptr;
}

struct Stuck {
  std::set<uint64_t> goroutines;
  double longest = 0;
  bool nested = true;  // all of them wait for a pool
  const GoroutineNow* one = nullptr;
};

std::string words_of(const SqlPool& pool, const Stuck& stuck) {
  const std::string longest = text_of(from_seconds(stuck.longest));
  std::string text = fmt::format(
      "the pool has lent all {} connections that it may have, each to a goroutine that ",
      stuck.goroutines.size());
  text += stuck.nested
              ? fmt::format("waits for another one of a pool, the longest for {}: none can go on",
                            longest)
              : fmt::format("waits for other goroutines or for a pool, the longest for {}, and {} "
                            "{} in line",
                            longest, pool.waiting, pool.waiting == 1 ? "stands" : "stand");
  if (stuck.one->at && stuck.one->own) {
    text += fmt::format(" ({} in {} at {}:{})", stuck.one->state, stuck.one->at->function,
                        stuck.one->at->file, stuck.one->at->line);
  }
  return text;
}

}  // namespace

std::optional<Evidence> lent_out(const Case& item) {
  std::map<const SqlPool*, Stuck> pools;
  for (const auto* member : item.members) {
    if (stuck_borrower(*member, item) != nullptr) pools[member->owner->pool.get()];
  }
  if (pools.empty()) return std::nullopt;
  // Those of one pool may have been opened at several places.
  for (const auto& member : item.scene->members) {
    const auto* waiter = stuck_borrower(member, item);
    if (waiter == nullptr) continue;
    const auto known = pools.find(member.owner->pool.get());
    if (known == pools.end()) continue;
    auto& stuck = known->second;
    stuck.goroutines.insert(waiter->id);
    stuck.longest = std::max(stuck.longest, *waiter->wait_seconds);
    stuck.nested = stuck.nested && waiter->for_pool;
    stuck.one = waiter;
  }
  for (const auto& [pool, stuck] : pools) {
    const bool all = pool->max_open > 0 && pool->in_use >= pool->max_open &&
                     static_cast<int64_t>(stuck.goroutines.size()) >= pool->in_use;
    if (!all) continue;
    return Evidence{stuck.nested ? "nested-borrow" : "lent-out", Family::kOwner, true, true,
                    words_of(*pool, stuck)};
  }
  return std::nullopt;
}

}  // namespace unclosed
