#include "collect/golang/free_lists.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <thread>

namespace unclosed {
namespace {

constexpr uint32_t kMostLevels = 24;  // from a descriptor to the pool that keeps it
constexpr size_t kMostNear = 256;     // objects above one descriptor
constexpr size_t kMostCrowd = 64;     // links to one of them
constexpr int kMoments = 3;           // at which a pool is read

// The numbers of "v9.16.2" or "go1.26.8"; nullopt: none.
std::optional<PoolReleases::Release> release_of(std::string_view version) {
  const size_t first = version.find_first_of("0123456789");
  if (first == std::string_view::npos) return std::nullopt;
  PoolReleases::Release release;
  const char* const end = version.data() + version.size();
  const auto [dot, error] = std::from_chars(version.data() + first, end, release.major);
  if (error != std::errc() || dot == end || *dot != '.') return std::nullopt;
  if (std::from_chars(dot + 1, end, release.minor).ec != std::errc()) return std::nullopt;
  return release;
}

std::string name_of(const KnownPool& known) {
  const std::string_view list = known.layout->lists.front();
  return std::string(known.layout->pool) + "." +
         std::string(list.substr(0, list.find_first_of("[~.")));
}

}  // namespace

FreeLists::FreeLists(GoProcess& process, const HeapMap& map, TypeBook& book,
                     std::span<const PollDescriptor> open, const VersionOf& version_of)
    : x_process(process),
      x_book(book),
      x_reader(process, map, book, open),
      x_known(x_reader.known()) {
  for (KnownPool& one : x_known) {
    const PoolReleases& releases = one.layout->releases;
    const auto version =
        releases.module.empty() ? std::optional(process.version()) : version_of(releases.module);
    const auto release = version ? release_of(*version) : std::nullopt;
    one.believed = release && *release >= releases.oldest && *release <= releases.newest;
  }
  // Where one layout of a type is for this release, those for others say nothing.
  std::set<const TypeInfo*> sure;
  for (const KnownPool& one : x_known) {
    if (one.believed) sure.insert(one.pool);
  }
  std::erase_if(x_known,
                [&](const KnownPool& one) { return !one.believed && sure.contains(one.pool); });
}

FreeLists::Pool& FreeLists::pool_at(const KnownPool& known, uint64_t address) {
  Pool& pool = x_pools[{&known, address}];
  pool.known = &known;
  pool.address = address;
  return pool;
}

// Whether a connection of a library lies there, which says itself what its pool is.
bool FreeLists::try_connection(const KnownPool& known, uint64_t address) {
  if (known.layout->back.empty()) return false;
  const auto pool = x_reader.pool_of(known, address);
  if (!pool) return false;
  const auto fd = x_reader.descriptor(known, address);
  if (!fd || !x_reader.plausible(known, *pool)) return false;
  if (!known.believed) {
    x_of_unknown.insert(*fd);
    return false;
  }
  pool_at(known, *pool).connections.insert(*fd);
  return true;
}

// Whether an interface value that holds a pointer to this type refers to it.
bool FreeLists::has_interface(const HolderGraph& graph, const HolderPaths& paths,
                              const KnownPool& known, uint64_t address) {
  const auto object = x_by_address.find(address);
  if (object == x_by_address.end()) return false;
  const auto refers = [&](uint64_t word) {
    const auto value = x_process.memory().load<std::array<uint64_t, 2>>(word - 8);
    if (!value || !*value || (**value)[1] != address) return false;
    const TypeInfo* type = x_book.of_interface((**value)[0]);
    return type != nullptr && type->kind == TypeKind::kPointer &&
           type->element == known.pool->address;
  };
  const auto links = paths.into(object->second);
  const auto roots = paths.roots_of(object->second);
  return std::any_of(links.begin(), links.end(),
                     [&](uint32_t link) { return refers(graph.links()[link].word); }) ||
         std::any_of(roots.begin(), roots.end(), [&](const auto& root) {
           return refers(graph.roots()[root.second].place.word);
         });
}

// Whether a pool lies there that has connections.
bool FreeLists::try_pool(const HolderGraph& graph, const HolderPaths& paths,
                         const KnownPool& known, uint64_t address) {
  if (!x_reader.plausible(known, address)) return false;
  if (known.layout->proof == PoolProof::kInterface && !has_interface(graph, paths, known, address))
    return false;
  auto every = x_reader.every(known, address);
  if (every.empty()) {
    const auto idle = x_reader.idle(known, address);
    if (!idle) return false;
    for (const auto& [connection, fd] : *idle) every.push_back(fd);
  }
  if (every.empty()) return false;
  if (!known.believed) {
    x_of_unknown.insert(every.begin(), every.end());
    return true;
  }
  pool_at(known, address).connections.insert(every.begin(), every.end());
  return true;
}

// Whether the word is a part of a pool.
bool FreeLists::look_at(const HolderGraph& graph, const HolderPaths& paths, uint64_t word) {
  bool found = false;
  for (const KnownPool& known : x_known) {
    if (known.way_out && x_tried.emplace(&known, word - *known.way_out).second)
      try_connection(known, word - *known.way_out);
    auto places = known.lists;
    if (known.every) places.push_back(*known.every);
    for (const uint64_t place : places) {
      // Odd, so that it is no connection's.
      if (!x_tried.emplace(&known, (word - place) | 1).second) continue;
      found |= try_pool(graph, paths, known, word - place);
    }
  }
  return found;
}

// Upwards from the descriptor, as far as a pool may be.
void FreeLists::climb(const HolderGraph& graph, const HolderPaths& paths, uint32_t descriptor) {
  struct Near {
    uint32_t object = 0, level = 0;
  };
  std::vector<Near> near = {{descriptor, 0}};
  std::set<uint32_t> queued = {descriptor};
  for (size_t i = 0; i < near.size() && near.size() < kMostNear; ++i) {
    const Near one = near[i];
    bool pool = false;
    for (const auto& [object, root] : paths.roots_of(one.object)) {
      const RootPlace& place = graph.roots()[root].place;
      if (place.kind == RootPlace::Kind::kVariable) pool |= look_at(graph, paths, place.word);
    }
    const auto links = paths.into(one.object);
    if (pool || one.level >= kMostLevels || links.size() > kMostCrowd) continue;
    // Not sooner: what was only reached may lie within reach of another descriptor.
    if (!x_climbed.insert(one.object).second) continue;
    for (const uint32_t index : links) {
      const auto& link = graph.links()[index];
      // Beyond a pool are others of its connections, and what has nothing to do with this one.
      if (look_at(graph, paths, link.word)) {
        x_climbed.insert(link.holder);
      } else if (!x_climbed.contains(link.holder) && queued.insert(link.holder).second) {
        near.push_back({link.holder, one.level + 1});
      }
    }
  }
}

void FreeLists::read_at_one_moment(Pool& pool, bool first) {
  const auto idle = x_reader.idle(*pool.known, pool.address);
  pool.read = idle.has_value() && (first || pool.read);
  std::set<int> now;
  if (idle) {
    for (const auto& [connection, fd] : *idle) now.insert(fd);
  }
  pool.sometimes.insert(now.begin(), now.end());
  if (first)
    pool.idle = std::move(now);
  else
    std::erase_if(pool.idle, [&](int fd) { return !now.contains(fd); });
}

void FreeLists::read(const HolderGraph& graph, const HolderPaths& paths, uint32_t count,
                     std::chrono::milliseconds between_moments) {
  if (!any()) return;
  for (uint32_t i = 0; i < graph.objects().size(); ++i)
    x_by_address.emplace(graph.objects()[i].address, i);
  for (uint32_t i = 0; i < count; ++i) climb(graph, paths, i);
  for (int moment = 0; moment < kMoments && !x_pools.empty(); ++moment) {
    if (moment > 0) std::this_thread::sleep_for(between_moments);
    for (auto& [key, pool] : x_pools) read_at_one_moment(pool, moment == 0);
  }
}

void FreeLists::tell(int fd, Held& held) const {
  const auto is_of = [&](const Pool& pool) {
    return pool.connections.contains(fd) || pool.sometimes.contains(fd);
  };
  if (x_of_unknown.contains(fd)) held.in_pool = InPool::kUnread;
  for (const auto& [key, pool] : x_pools) {
    if (pool.idle.contains(fd)) {
      held.free_list = name_of(*pool.known);
      held.pool = pool.address;
      held.in_pool = InPool::kFree;
      return;
    }
    if (!is_of(pool)) continue;
    const bool lent = pool.read && !pool.sometimes.contains(fd);
    if (held.in_pool == InPool::kUnread) continue;
    held.in_pool = lent ? InPool::kLent : InPool::kUnread;
    held.pool = lent ? pool.address : 0;
  }
}

}  // namespace unclosed
