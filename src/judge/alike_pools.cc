#include "judge/alike_pools.h"

#include <algorithm>
#include <map>
#include <tuple>

namespace unclosed {
namespace {

bool is_full(const LimitUse& use) { return use.max && use.used >= *use.max; }

void join(LimitUse& sum, const LimitUse& use) {
  sum.pools += use.pools;
  sum.used += use.used;
  sum.idle += use.idle;
  sum.waits += use.waits;
  if (sum.max && use.max)
    *sum.max += *use.max;
  else
    sum.max.reset();
  if (sum.peer != use.peer) sum.peer.clear();
  sum.lent.insert(sum.lent.end(), use.lent.begin(), use.lent.end());
}

// Those that matter most stay by themselves: exhausted ones, many of a kind, many lent.
std::vector<LimitUse> bounded(std::vector<LimitUse> kinds) {
  if (kinds.size() <= kMostPoolKinds) return kinds;
  std::vector<size_t> order(kinds.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    const auto rank = [&](size_t i) {
      return std::tuple(is_full(kinds[i]), kinds[i].pools, kinds[i].used + kinds[i].idle);
    };
    return rank(a) > rank(b);
  });
  const auto kept = order.begin() + (kMostPoolKinds - 1);
  std::sort(order.begin(), kept);
  std::vector<LimitUse> all;
  for (auto one = order.begin(); one != kept; ++one) all.push_back(std::move(kinds[*one]));
  LimitUse rest = std::move(kinds[*kept]);
  for (auto one = kept + 1; one != order.end(); ++one) join(rest, kinds[*one]);
  all.push_back(std::move(rest));
  return all;
}

}  // namespace

std::vector<LimitUse> join_alike_pools(const std::vector<LimitUse>& uses) {
  using Kind = std::tuple<std::string, std::optional<uint64_t>, bool>;
  struct Pools {
    std::vector<LimitUse> kinds;
    std::map<Kind, size_t> known;
  };
  std::map<ProcessId, Pools> by_process;
  for (const LimitUse& use : uses) {
    if (use.name != "pool") continue;
    Pools& pools = by_process[use.process];
    const auto [at, fresh] =
        pools.known.try_emplace({use.peer, use.max, is_full(use)}, pools.kinds.size());
    if (fresh)
      pools.kinds.push_back(use);
    else
      join(pools.kinds[at->second], use);
  }
  std::vector<LimitUse> joined;
  for (const LimitUse& use : uses) {
    if (use.name != "pool") {
      joined.push_back(use);
      continue;
    }
    const auto pools = by_process.find(use.process);
    if (pools == by_process.end()) continue;
    for (LimitUse& kind : bounded(std::move(pools->second.kinds)))
      joined.push_back(std::move(kind));
    by_process.erase(pools);
  }
  return joined;
}

}  // namespace unclosed
