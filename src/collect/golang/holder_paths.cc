#include "collect/golang/holder_paths.h"

#include <algorithm>
#include <queue>
#include <unordered_set>

namespace unclosed {
namespace {

// How far and wide further roots are looked for.
constexpr size_t kMostNear = 512, kMostCrowd = 64;
constexpr uint32_t kDetour = 4;  // levels

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

void HolderPaths::find(std::vector<uint32_t> costs) {
  x_costs = std::move(costs);
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

// From all roots at once, cheapest first.
void HolderPaths::find() {
  x_best.assign(x_graph.objects().size(), {});
  using Entry = std::pair<uint32_t, uint32_t>;  // cost, object
  std::priority_queue<Entry, std::vector<Entry>, std::greater<>> todo;
  for (uint32_t i = 0; i < x_graph.roots().size(); ++i) {
    if (x_lost_roots[i]) continue;
    Best& best = x_best[x_graph.roots()[i].target];
    if (x_costs[i] >= best.cost) continue;
    best = {x_costs[i], kNone, i};
    todo.emplace(best.cost, x_graph.roots()[i].target);
  }
  while (!todo.empty()) {
    const auto [cost, object] = todo.top();
    todo.pop();
    if (cost != x_best[object].cost) continue;
    for (uint32_t i = x_from[object]; i < x_from[object + 1]; ++i) {
      const auto& link = x_graph.links()[i];
      const uint32_t further = cost + 1 + x_through[object];
      if (x_lost_links[i] || further >= x_best[link.target].cost) continue;
      x_best[link.target] = {further, i, kNone};
      todo.emplace(further, link.target);
    }
  }
}

std::optional<HolderPath> HolderPaths::to(uint32_t object) const {
  if (x_best[object].cost == kNone) return std::nullopt;
  HolderPath path;
  path.cost = x_best[object].cost;
  while (x_best[object].link != kNone) {
    path.links.push_back(x_best[object].link);
    object = x_graph.links()[x_best[object].link].holder;
  }
  path.root = x_best[object].root;
  std::reverse(path.links.begin(), path.links.end());
  return path;
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
  std::stable_sort(found.begin(), found.end(),
                   [](const auto& a, const auto& b) { return a.cost < b.cost; });
  // One of each goroutine and variable.
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
                      std::any_of(kept.begin(), kept.end(),
                                  [&](const auto& one) { return same(path.root, one.root); });
    if (!told && kept.size() < most) kept.push_back(std::move(path));
  }
  return kept;
}

}  // namespace unclosed
