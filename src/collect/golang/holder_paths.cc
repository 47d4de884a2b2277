#include "collect/golang/holder_paths.h"

#include <algorithm>
#include <queue>
#include <tuple>
#include <unordered_set>

namespace unclosed {
namespace {

// How far and wide further roots are looked for.
constexpr size_t kMostNear = 512, kMostCrowd = 64;
constexpr uint32_t kDetour = 4;  // levels
constexpr uint32_t kAlike = 1;  // by how much ways of goroutines that do the same differ
constexpr size_t kMostReached = 100'000;  // objects, when goroutines are counted

}  // namespace

HolderPaths::HolderPaths(const HolderGraph& graph) : x_graph(graph) {
  const auto& links = graph.links();
  const size_t objects = graph.objects().size();
  x_from.assign(objects + 1, 0);
  x_into_from.assign(objects + 1, 0);
  for (const auto& link : links) {
    ++x_from[link.holder + 1];
    ++x_into_from[link.target + 1];
  }
  for (size_t i = 0; i < objects; ++i) {
    x_from[i + 1] += x_from[i];
    x_into_from[i + 1] += x_into_from[i];
  }
  x_into.resize(links.size());
  std::vector<uint32_t> next(x_into_from.begin(), x_into_from.end() - 1);
  for (uint32_t i = 0; i < links.size(); ++i) x_into[next[links[i].target]++] = i;
  for (uint32_t i = 0; i < graph.roots().size(); ++i)
    x_roots_of.emplace_back(graph.roots()[i].target, i);
  std::sort(x_roots_of.begin(), x_roots_of.end());
  x_through.resize(objects);
  x_lost_links.resize(links.size());
  x_lost_roots.resize(graph.roots().size());
}

void HolderPaths::find(std::vector<uint32_t> costs, std::vector<RootRank> ranks) {
  x_costs = std::move(costs);
  x_ranks = std::move(ranks);
  x_by_rank.resize(x_ranks.size());
  x_order.resize(x_ranks.size());
  for (uint32_t i = 0; i < x_by_rank.size(); ++i) x_by_rank[i] = i;
  std::stable_sort(x_by_rank.begin(), x_by_rank.end(), [&](uint32_t a, uint32_t b) {
    return std::pair(x_ranks[a].keeps, x_ranks[a].age) <
           std::pair(x_ranks[b].keeps, x_ranks[b].age);
  });
  for (uint32_t i = 0; i < x_by_rank.size(); ++i) x_order[x_by_rank[i]] = i;
  find();
}

void HolderPaths::burden(const std::vector<uint32_t>& objects, uint32_t cost) {
  for (const uint32_t object : objects) x_through[object] = cost;
  find();
}

std::span<const uint32_t> HolderPaths::into(uint32_t object) const {
  return std::span(x_into).subspan(x_into_from[object],
                                   x_into_from[object + 1] - x_into_from[object]);
}

std::span<const std::pair<uint32_t, uint32_t>> HolderPaths::roots_of(uint32_t object) const {
  const auto from =
      std::lower_bound(x_roots_of.begin(), x_roots_of.end(), std::pair(object, uint32_t{0}));
  const auto to = std::lower_bound(from, x_roots_of.end(), std::pair(object + 1, uint32_t{0}));
  return std::span(x_roots_of)
      .subspan(static_cast<size_t>(from - x_roots_of.begin()), static_cast<size_t>(to - from));
}

void HolderPaths::drop(const std::vector<uint32_t>& links, const std::vector<uint32_t>& roots) {
  for (const uint32_t link : links) x_lost_links[link] = true;
  for (const uint32_t root : roots) x_lost_roots[root] = true;
  find();
}

bool HolderPaths::better(const Best& one, const Best& other) const {
  if (one.cost != other.cost || other.root == kNone) return one.cost < other.cost;
  return x_order[one.root] < x_order[other.root];
}

// From these roots at once, cheapest first, to all but what a root that keeps longer has reached.
void HolderPaths::spread(std::span<const uint32_t> roots, uint64_t keeps,
                         std::vector<Best>& best) {
  using Entry = std::tuple<uint32_t, uint32_t, uint32_t>;  // cost, order of the root, object
  std::priority_queue<Entry, std::vector<Entry>, std::greater<>> todo;
  const auto reach = [&](uint32_t object, const Best& way) {
    const Best& known = best[object];
    if (known.root != kNone && x_ranks[known.root].keeps < keeps) return;
    if (!better(way, known)) return;
    best[object] = way;
    todo.emplace(way.cost, x_order[way.root], object);
  };
  for (const uint32_t root : roots) {
    if (!x_lost_roots[root]) reach(x_graph.roots()[root].target, {x_costs[root], kNone, root});
  }
  while (!todo.empty()) {
    const auto [cost, order, object] = todo.top();
    todo.pop();
    const Best from = best[object];
    if (cost != from.cost || order != x_order[from.root]) continue;
    for (uint32_t i = x_from[object]; i < x_from[object + 1]; ++i) {
      if (x_lost_links[i]) continue;
      reach(x_graph.links()[i].target, {cost + 1 + x_through[object], i, from.root});
    }
  }
}

void HolderPaths::find() {
  x_best.assign(x_graph.objects().size(), {});
  spread(x_by_rank, 0, x_best);
  find_seconds();
  find_kept();
}

// Roots that keep longest first: each object is the first one's.
void HolderPaths::find_kept() {
  x_kept.assign(x_graph.objects().size(), {});
  for (size_t i = 0; i < x_by_rank.size();) {
    const uint64_t keeps = x_ranks[x_by_rank[i]].keeps;
    if (keeps == RootRank::kNever) break;
    size_t end = i;
    while (end < x_by_rank.size() && x_ranks[x_by_rank[end]].keeps == keeps) ++end;
    spread(std::span(x_by_rank).subspan(i, end - i), keeps, x_kept);
    i = end;
  }
}

void HolderPaths::find_seconds() {
  x_second.assign(x_graph.objects().size(), kNone);
  using Entry = std::pair<uint32_t, uint32_t>;  // cost, object
  std::priority_queue<Entry, std::vector<Entry>, std::greater<>> todo;
  const auto reach = [&](uint32_t object, uint32_t cost) {
    if (cost >= x_second[object]) return;
    x_second[object] = cost;
    todo.emplace(cost, object);
  };
  const auto is_other = [&](uint32_t one, uint32_t two) {
    return x_ranks[one].kind == x_ranks[two].kind && goroutine(one) != goroutine(two);
  };
  const auto of_many = [&](uint32_t root) {
    return root != kNone && x_ranks[root].kind != RootRank::kNoKind;
  };
  for (uint32_t i = 0; i < x_graph.roots().size(); ++i) {
    const uint32_t target = x_graph.roots()[i].target;
    if (!x_lost_roots[i] && of_many(i) && is_other(i, x_best[target].root))
      reach(target, x_costs[i]);
  }
  for (uint32_t i = 0; i < x_graph.links().size(); ++i) {
    const auto& link = x_graph.links()[i];
    const Best& from = x_best[link.holder];
    if (!x_lost_links[i] && of_many(from.root) && is_other(from.root, x_best[link.target].root))
      reach(link.target, from.cost + 1 + x_through[link.holder]);
  }
  while (!todo.empty()) {
    const auto [cost, object] = todo.top();
    todo.pop();
    if (cost != x_second[object]) continue;
    for (uint32_t i = x_from[object]; i < x_from[object + 1]; ++i) {
      if (x_lost_links[i]) continue;
      const uint32_t target = x_graph.links()[i].target;
      const uint32_t root = x_best[target].root;
      if (of_many(root) && goroutine(x_best[object].root) == goroutine(root))
        reach(target, cost + 1 + x_through[object]);
    }
  }
}

std::optional<HolderPath> HolderPaths::path(const std::vector<Best>& best, uint32_t object) const {
  if (best[object].root == kNone) return std::nullopt;
  HolderPath path;
  path.cost = best[object].cost;
  path.root = best[object].root;
  while (best[object].link != kNone) {
    path.links.push_back(best[object].link);
    object = x_graph.links()[best[object].link].holder;
    path.burden += x_through[object];
  }
  std::reverse(path.links.begin(), path.links.end());
  return path;
}

std::optional<HolderPath> HolderPaths::to(uint32_t object) const { return path(x_best, object); }

std::optional<HolderPath> HolderPaths::kept(uint32_t object) const { return path(x_kept, object); }

bool HolderPaths::alike(uint32_t object) const {
  const Best& best = x_best[object];
  return best.root != kNone && x_second[object] <= best.cost + kAlike;
}

size_t HolderPaths::reaching(uint32_t object, uint32_t kind) const {
  std::vector<uint32_t> todo = {object};
  std::unordered_set<uint32_t> known = {object}, goroutines;
  while (!todo.empty()) {
    const uint32_t at = todo.back();
    todo.pop_back();
    for (const auto& [target, root] : roots_of(at)) {
      if (!x_lost_roots[root] && x_ranks[root].kind == kind) goroutines.insert(goroutine(root));
    }
    for (const uint32_t link : into(at)) {
      const uint32_t holder = x_graph.links()[link].holder;
      if (!x_lost_links[link] && known.size() < kMostReached && known.insert(holder).second)
        todo.push_back(holder);
    }
  }
  return goroutines.size();
}

std::vector<HolderPath> HolderPaths::others(uint32_t object, const HolderPath& best,
                                            size_t most) const {
  // Backwards from the object, nearest first; crowded objects are shared by many and say nothing.
  struct Near {
    uint32_t object = 0, link = kNone, before = 0, depth = 0;
  };
  std::vector<Near> near = {{object, kNone, 0, 0}};
  std::unordered_set<uint32_t> known = {object};
  const auto deepest = static_cast<uint32_t>(best.links.size()) + kDetour;
  for (uint32_t i = 0; i < near.size() && near.size() < kMostNear; ++i) {
    const auto links = into(near[i].object);
    if (near[i].depth >= deepest || links.size() > kMostCrowd) continue;
    for (const uint32_t link : links) {
      const uint32_t holder = x_graph.links()[link].holder;
      if (x_lost_links[link] || !known.insert(holder).second) continue;
      near.push_back({holder, link, i, near[i].depth + 1});
    }
  }
  std::vector<HolderPath> found;
  for (uint32_t n = 0; n < near.size(); ++n) {
    for (const auto& [target, root] : roots_of(near[n].object)) {
      if (root == best.root || x_lost_roots[root]) continue;
      HolderPath path;
      path.root = root;
      path.cost = x_costs[path.root];
      for (uint32_t i = n; near[i].link != kNone; i = near[i].before) {
        path.links.push_back(near[i].link);
        path.cost += 1 + x_through[near[i].object];
      }
      found.push_back(std::move(path));
    }
  }
  std::stable_sort(found.begin(), found.end(), [&](const auto& a, const auto& b) {
    return std::pair(a.cost, x_order[a.root]) < std::pair(b.cost, x_order[b.root]);
  });
  // One of each goroutine and variable, and of many goroutines alike.
  std::vector<HolderPath> kept;
  const auto same = [&](uint32_t a, uint32_t b) {
    const RootPlace& one = x_graph.roots()[a].place;
    const RootPlace& two = x_graph.roots()[b].place;
    const bool variables = one.kind == RootPlace::Kind::kVariable;
    if (variables != (two.kind == RootPlace::Kind::kVariable)) return false;
    return variables ? one.word == two.word : one.goroutine == two.goroutine;
  };
  for (HolderPath& path : found) {
    const bool told = same(path.root, best.root) ||
                      std::any_of(kept.begin(), kept.end(), [&](const auto& one) {
                        const uint32_t kind = x_ranks[path.root].kind;
                        return same(path.root, one.root) ||
                               (kind != RootRank::kNoKind && kind == x_ranks[one.root].kind);
                      });
    if (!told && kept.size() < most) kept.push_back(std::move(path));
  }
  return kept;
}

}  // namespace unclosed
