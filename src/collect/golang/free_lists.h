// FreeLists: which of the connections in question a pool has to give to its next caller. Pools are
// found from the connections upwards, by the fields of their libraries' types, and believed only
// where something else tells that they are pools of that library (PoolProof) and the release is one
// that was looked up. A connection is said to be free only where its pool had it at several
// moments, each of them still (pool_reader.h): one that is borrowed all the while is never. It
// cannot know pools of other libraries. One thread at a time.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "collect/golang/holder_graph.h"
#include "collect/golang/holder_paths.h"
#include "collect/golang/pool_reader.h"
#include "model/held.h"

namespace unclosed {

class FreeLists {
 public:
  // The version that the program was built with of a library, by its module path ("": of Go);
  // nullopt: not known.
  using VersionOf = std::function<std::optional<std::string>(std::string_view module)>;

  // All must outlive it. `open`: what the poller has.
  FreeLists(GoProcess& process, const HeapMap& map, TypeBook& book,
            std::span<const PollDescriptor> open, const VersionOf& version_of);

  // Whether the program has a library that is known here at all.
  bool any() const { return !x_known.empty(); }
  // Finds the pools of the first `count` objects of the graph, and reads them.
  void read(const HolderGraph& graph, const HolderPaths& paths, uint32_t count,
            std::chrono::milliseconds between_moments);
  // What was found of a descriptor.
  void tell(int fd, Held& held) const;

 private:
  struct Pool {
    const KnownPool* known = nullptr;
    uint64_t address = 0;
    std::set<int> connections;  // all that it is known to have
    std::set<int> idle;         // at each moment
    std::set<int> sometimes;    // at one of them at least
    bool read = false;          // at each moment
  };

  void climb(const HolderGraph& graph, const HolderPaths& paths, uint32_t descriptor);
  bool look_at(const HolderGraph& graph, const HolderPaths& paths, uint64_t word);
  bool try_connection(const KnownPool& known, uint64_t address);
  bool try_pool(const HolderGraph& graph, const HolderPaths& paths, const KnownPool& known,
                uint64_t address);
  bool has_interface(const HolderGraph& graph, const HolderPaths& paths, const KnownPool& known,
                     uint64_t address);
  Pool& pool_at(const KnownPool& known, uint64_t address);
  void read_at_one_moment(Pool& pool, bool first);

  GoProcess& x_process;
  TypeBook& x_book;
  PoolReader x_reader;
  std::vector<KnownPool> x_known;
  std::map<std::pair<const KnownPool*, uint64_t>, Pool> x_pools;
  std::set<std::pair<const KnownPool*, uint64_t>> x_tried;
  std::set<uint32_t> x_climbed;              // objects of the graph
  std::set<int> x_of_unknown;                // connections of a release that was not looked up
  std::map<uint64_t, uint32_t> x_by_address;  // objects of the graph
};

}  // namespace unclosed
