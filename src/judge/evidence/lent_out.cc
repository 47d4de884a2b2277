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

// A pool whose books are not read: nobody waits for one of it unless all that it may have is lent.
using PoolPlace = std::pair<ProcessId, uint64_t>;

std::optional<PoolPlace> pool_of(const Member& member) {
  const Owner* owner = member.owner.get();
  if (owner == nullptr || !owner->held || owner->held->pool == 0) return std::nullopt;
  return PoolPlace(member.facts->opener, owner->held->pool);
}

// The goroutine that certainly has it in hand and has long been waiting for another one.
const GoroutineNow* asks_for_another(const Member& member, const Case& item) {
  const Owner& owner = *member.owner;
  const Holder& holder = owner.held->holder;
  if (member.waiting || member.idle <= item.far || owner.held->in_pool != InPool::kLent ||
      holder.kind != HolderKind::kGoroutine || holder.alike > 1 ||
      holder.certainty != HolderCertainty::kCertain)
    return nullptr;
  const auto& now = owner.holder_now;
  return now && now->for_pool && now->wait_seconds > seconds(item.far) ? &*now : nullptr;
}

// Each of the pool is in the hands of a goroutine of its own, and those wait for one another.
std::optional<Stuck> nested(const PoolPlace& pool, const Case& item) {
  Stuck stuck;
  size_t lent = 0;
  for (const auto& member : item.scene->members) {
    const auto of = pool_of(member);
    if (of != pool) {
      // Of those that were not asked about, any may be the pool's, and on its way back.
      const bool may_be = !of && member.facts->opener == pool.first && member.tracked &&
                          member.facts->role != Role::kServer &&
                          item.scene->siblings_of(member).peer == item.peer;
      if (may_be) return std::nullopt;
      continue;
    }
    const auto* waiter = asks_for_another(member, item);
    if (waiter == nullptr) return std::nullopt;
    ++lent;
    stuck.goroutines.insert(waiter->id);
    stuck.longest = std::max(stuck.longest, *waiter->wait_seconds);
    stuck.one = waiter;
  }
  return stuck.goroutines.size() == lent && lent > 0 ? std::optional(stuck) : std::nullopt;
}

std::string words_of(const Stuck& stuck, int64_t in_line) {
  const std::string longest = text_of(from_seconds(stuck.longest));
  std::string text = fmt::format(
      "the pool has lent all {} connections that it may have, each to a goroutine that ",
      stuck.goroutines.size());
  text += stuck.nested
              ? fmt::format("waits for another one of a pool, the longest for {}: none can go on",
                            longest)
              : fmt::format("waits for other goroutines or for a pool, the longest for {}, and {} "
                            "{} in line",
                            longest, in_line, in_line == 1 ? "stands" : "stand");
  if (stuck.one->at && stuck.one->own) {
    text += fmt::format(" ({} in {} at {}:{})", stuck.one->state, stuck.one->at->function,
                        stuck.one->at->file, stuck.one->at->line);
  }
  return text;
}

std::optional<Evidence> nested_borrow(const Case& item) {
  std::set<PoolPlace> asked;
  for (const auto* member : item.members) {
    const auto pool = pool_of(*member);
    if (!pool || !asked.insert(*pool).second) continue;
    const auto stuck = nested(*pool, item);
    if (!stuck) continue;
    return Evidence{"nested-borrow", Family::kOwner, true, true, words_of(*stuck, 0)};
  }
  return std::nullopt;
}

}  // namespace

std::optional<Evidence> lent_out(const Case& item) {
  std::map<const SqlPool*, Stuck> pools;
  for (const auto* member : item.members) {
    if (stuck_borrower(*member, item) != nullptr) pools[member->owner->pool.get()];
  }
  if (pools.empty()) return nested_borrow(item);
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
                    words_of(stuck, pool->waiting)};
  }
  return std::nullopt;
}

}  // namespace unclosed
