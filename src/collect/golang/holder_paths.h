// HolderPaths: of all ways from roots to objects in a graph the one that says most: short ones,
// from a variable or a frame of the user's own rather than from a library or the runtime. Beside
// it, the way from the root that keeps the object longest, for what many reach alike. Of ways that
// are equal it takes the same each time. Pure over the graph; one thread at a time.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "collect/golang/holder_graph.h"

namespace unclosed {

// From the root on: the first link starts at the root's object.
struct HolderPath {
  uint32_t root = 0;            // index into the graph's roots
  std::vector<uint32_t> links;  // indexes into the graph's links; the last leads to the descriptor
  uint32_t cost = 0;
  uint32_t burden = 0;  // of `cost`: for objects on the way
};

class HolderPaths {
 public:
  // The graph must outlive it.
  explicit HolderPaths(const HolderGraph& graph);

  // Finds the best ways. `costs`: of each root, what keeps it from being told of; a link costs one.
  void find(std::vector<uint32_t> costs, std::vector<RootRank> ranks);
  // Lets ways through these objects cost so much more, and finds the best ways anew.
  void burden(const std::vector<uint32_t>& objects, uint32_t cost);
  // The best way to an object; nullopt: no root leads there.
  std::optional<HolderPath> to(uint32_t object) const;
  // The way to an object from the root that keeps it longest; nullopt: none is known to.
  std::optional<HolderPath> kept(uint32_t object) const;
  // Whether the best way is from one of many goroutines alike, and another's is no longer.
  bool alike(uint32_t object) const;
  // Goroutines of one kind that reach an object.
  size_t reaching(uint32_t object, uint32_t kind) const;
  const RootRank& rank(uint32_t root) const { return x_ranks[root]; }
  // Ways from further roots near the object, best first; without that of `best`.
  std::vector<HolderPath> others(uint32_t object, const HolderPath& best, size_t most) const;
  // Takes links and roots away, which were found not to hold, and finds the best ways anew.
  void drop(const std::vector<uint32_t>& links, const std::vector<uint32_t>& roots);

  // Links that lead to an object, by index.
  std::span<const uint32_t> into(uint32_t object) const;
  // Roots that lead to an object: the object, and the root's index.
  std::span<const std::pair<uint32_t, uint32_t>> roots_of(uint32_t object) const;

 private:
  static constexpr uint32_t kNone = UINT32_MAX;
  struct Best {
    uint32_t cost = kNone;
    uint32_t link = kNone;  // by which it is reached; kNone: by `root` itself
    uint32_t root = kNone;
  };
  void find();
  void find_kept();
  void find_seconds();
  void spread(std::span<const uint32_t> roots, uint64_t keeps, std::vector<Best>& best);
  bool better(const Best& one, const Best& other) const;
  std::optional<HolderPath> path(const std::vector<Best>& best, uint32_t object) const;
  uint32_t goroutine(uint32_t root) const { return x_graph.roots()[root].place.goroutine; }

  const HolderGraph& x_graph;
  std::vector<uint32_t> x_costs;
  std::vector<RootRank> x_ranks;
  std::vector<uint32_t> x_by_rank, x_order;  // roots by rank, and the place of each among them
  std::vector<uint32_t> x_through;  // of each object, what a way out of it costs beside the link
  std::vector<bool> x_lost_links, x_lost_roots;
  std::vector<Best> x_best, x_kept;
  // Of each object, the cost from another goroutine of the kind that has the best way.
  std::vector<uint32_t> x_second;
  std::vector<uint32_t> x_into, x_into_from;  // links by target, and where those of each begin
  std::vector<std::pair<uint32_t, uint32_t>> x_roots_of;  // object and root
  std::vector<uint32_t> x_from;                           // where the links of each holder begin
};

}  // namespace unclosed
