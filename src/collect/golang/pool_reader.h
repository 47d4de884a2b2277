// PoolReader: what a pool of a known library says of its connections, read by a typed walk while
// the process runs. One counts as idle only where the pool's list had it twice, with its own fields
// as they are when it was given back, while nobody had the pool's lock before or after: a list that
// changes says nothing. It cannot tell an object of another type that is laid out alike: whoever
// finds pools does (free_lists.h). One thread at a time.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <unordered_map>
#include <vector>

#include "collect/golang/descriptor_finder.h"
#include "collect/golang/heap_map.h"
#include "collect/golang/poll_descriptors.h"
#include "collect/golang/pool_layouts.h"
#include "collect/golang/typed_walk.h"

namespace unclosed {

// A layout as this program has it.
struct KnownPool {
  const PoolLayout* layout = nullptr;
  const TypeInfo* pool = nullptr;
  const TypeInfo* connection = nullptr;  // of the library: "database/sql.driverConn"
  bool believed = false;                 // the release is one that it was looked up for
  std::vector<uint64_t> lists;           // where in the pool those begin
  std::optional<uint64_t> every;
  std::optional<uint64_t> way_out = 0;   // where in a connection the word is that leads out of it
};

class PoolReader {
 public:
  // All must outlive it. `open`: what the poller has.
  PoolReader(GoProcess& process, const HeapMap& map, TypeBook& book,
             std::span<const PollDescriptor> open);

  TypedWalk& walk() { return x_walk; }
  // The layouts whose types the program has.
  std::vector<KnownPool> known();

  // The open descriptor of a connection at `address`; nullopt: no such connection is there.
  std::optional<int> descriptor(const KnownPool& pool, uint64_t address);
  // The pool that a connection says it belongs to; nullopt: it does not say.
  std::optional<uint64_t> pool_of(const KnownPool& pool, uint64_t connection);
  // The descriptors of all connections that the pool at `address` knows of, idle or not, as far as
  // it keeps account of them.
  std::vector<int> every(const KnownPool& pool, uint64_t address);
  // Those that are idle, by the address of the connection; nullopt: nothing that could be read at a
  // moment when it stood still.
  std::optional<std::map<uint64_t, int>> idle(const KnownPool& pool, uint64_t address);
  // Whether something with the fields of a pool is there, whose lock somebody may have.
  bool plausible(const KnownPool& pool, uint64_t address);

 private:
  bool can_be(const TypeInfo& type, uint64_t address, bool whole);
  std::optional<uint64_t> lock_state(const TypedPlace& place);
  bool free_to_take(const TypedPlace& place, std::string_view lock);
  std::optional<std::map<uint64_t, int>> listed(const KnownPool& pool, const TypedPlace& place);
  bool is_idle(const KnownPool& pool, const TypedPlace& connection, uint64_t address);

  GoProcess& x_process;
  const HeapMap& x_map;
  TypeBook& x_book;
  TypedWalk x_walk;
  DescriptorFinder x_files;
  std::unordered_map<uint64_t, int> x_open;        // by the address of the poller's descriptor
  std::map<std::pair<uint64_t, uint64_t>, uint64_t> x_found;  // the file behind a word, by place
};

}  // namespace unclosed
