// HolderGraph: the objects of a Go heap that lead to given descriptors, found backwards from the
// poller's own, and the words of stacks and variables that lead to those. The heap is read in small
// pieces, again and again until nothing new is found or what was asked for is enough; what changes
// meanwhile makes a link stale, so whoever tells of one reads it again. One thread at a time.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <unordered_map>
#include <vector>

#include "collect/golang/goroutine_reader.h"
#include "collect/golang/heap_map.h"
#include "collect/golang/poll_descriptors.h"
#include "collect/golang/target_filter.h"

namespace unclosed {

struct HolderSettings {
  size_t most_objects = size_t{1} << 21;  // that are followed
  size_t most_links = size_t{1} << 24;    // between them, and roots
  uint32_t most_levels = 40;              // from a descriptor
  uint32_t least_passes = 2;              // over the heap, before what was found is enough
  uint32_t owner_passes = 6;              // before several goroutines of many alike are enough
  uint32_t least_levels = 0;              // of which all is found, before it is enough
  uint32_t most_passes = 8;
  uint64_t cheap = 256 << 20;  // bytes read, up to which passes are not counted
  double most_seconds = 20;
  size_t most_others = 4;  // further holders that are told of each descriptor
  std::chrono::milliseconds between_moments{1};  // at which a pool is read
};

// A place from which the collector starts.
struct RootPlace {
  enum class Kind : uint8_t {
    kVariable,
    kStack,
    kDeferred,  // a deferred call of a goroutine
  };
  Kind kind = Kind::kVariable;
  uint32_t goroutine = 0;  // index into the list; of a stack or a deferred call
  uint64_t word = 0;       // address of the word that points to the object
};

// How long a root keeps what it leads to, as far as that is known.
struct RootRank {
  static constexpr uint64_t kNever = UINT64_MAX;
  static constexpr uint32_t kNoKind = UINT32_MAX;
  uint64_t keeps = kNever;  // the less, the longer; kNever: it is not known to keep anything
  uint64_t age = 0;         // among equals, the less the older
  uint32_t kind = kNoKind;  // of goroutines that began alike and are many
};

class HolderGraph {
 public:
  struct Object {
    uint64_t address = 0, size = 0;
    uint32_t level = 0;
    uint32_t span = 0;
  };
  // `holder` has a word at `word` that points into `target`; both by index.
  struct Link {
    uint32_t holder = 0, target = 0;
    uint64_t word = 0;
    auto operator<=>(const Link&) const = default;
  };
  struct Root {
    uint32_t target = 0;
    RootPlace place;
    RootRank rank;
  };

  // Of a word of a stack or variable. nullopt: it does not count, its function no longer uses it.
  using RankRoot = std::function<std::optional<RootRank>(const RootPlace&)>;

  HolderGraph(GoProcess& process, const HeapMap& map, const GoroutineList& list, RankRoot rank,
              const HolderSettings& settings);

  // Looks for what leads to these: the first objects of the graph, in their order.
  Status build(const std::vector<PollDescriptor>& descriptors);

  const std::vector<Object>& objects() const { return x_objects; }
  const std::vector<Link>& links() const { return x_links; }
  const std::vector<Root>& roots() const { return x_roots; }
  // Nothing was left out: what no root leads to is garbage, as far as memory stood still.
  bool complete() const { return x_complete; }
  uint64_t bytes_read() const { return x_bytes; }
  uint32_t passes() const { return x_passes; }
  uint64_t left_out() const { return x_left_out; }  // objects and links beyond the limits

 private:
  enum class Source : uint8_t { kHeap, kVariables, kStacks };
  struct Piece {
    uint64_t start = 0;
    uint32_t size = 0;
    uint32_t from = 0;  // index of the span or goroutine
  };
  struct Chunk {
    size_t first = 0, count = 0;  // pieces
    uint32_t seen = 0;            // objects that it was searched for
  };
  // Memory that is searched together.
  struct Group {
    Source source = Source::kHeap;
    std::vector<Piece> pieces;
    std::vector<Chunk> chunks;
    uint64_t bytes = 0;
  };
  static constexpr uint32_t kNone = UINT32_MAX;

  Status make_groups();
  void add_piece(Group& group, uint64_t start, uint64_t size, uint32_t from);
  static void make_chunks(Group& group);
  Status search(Group& group);
  Status search(const Group& group, Chunk& chunk);
  void scan(const Group& group, const Piece& piece, std::span<const uint64_t> words, uint32_t seen);
  void hit(const Group& group, const Piece& piece, uint64_t value, uint64_t word, uint32_t seen);
  uint32_t object_at(uint64_t address) const;
  uint32_t holder_at(uint32_t span, uint64_t word, uint32_t target);
  bool names_descriptor(uint32_t target, uint64_t word);
  void root(uint32_t target, RootPlace::Kind kind, uint32_t goroutine, uint64_t word);
  bool stale(const Group& group) const;
  bool near_stale() const;
  bool all_rooted();
  // Over memory that stands still no more passes are needed than it has levels.
  bool beyond(uint32_t passes) const {
    return x_passes >= passes &&
           (x_bytes >= x_settings.cheap || x_passes > x_settings.most_levels);
  }
  Status pass();

  GoProcess& x_process;
  const HeapMap& x_map;
  const GoroutineList& x_list;
  RankRoot x_rank;
  HolderSettings x_settings;
  TakenObjects x_taken;
  TargetFilter x_filter;
  std::vector<Group> x_groups;  // smallest first
  size_t x_small = 0;           // of them: small enough to be searched between the others
  std::vector<Object> x_objects;
  std::vector<int> x_numbers;  // of the first objects: the descriptors
  std::unordered_map<uint64_t, uint32_t> x_by_address;
  std::unordered_map<uint64_t, uint32_t> x_goroutines;  // by address of g
  std::vector<Link> x_links;
  std::vector<Root> x_roots;
  std::vector<uint64_t> x_buffer;
  std::vector<RemoteMemory::Piece> x_reads;
  uint64_t x_bytes = 0, x_left_out = 0;
  uint32_t x_near = 0;     // objects up to the last one within the least levels
  uint64_t x_planned = 0;  // bytes of all groups
  uint32_t x_passes = 0;
  int64_t x_started = 0;
  bool x_complete = false, x_late = false;
};

}  // namespace unclosed
