#include "collect/golang/pool_reader.h"

#include <algorithm>
#include <array>

namespace unclosed {
namespace {

constexpr int kAttempts = 6;       // at a moment when the pool stands still
constexpr size_t kMostKept = 1 << 20;

}  // namespace

PoolReader::PoolReader(GoProcess& process, const HeapMap& map, TypeBook& book,
                       std::span<const PollDescriptor> open)
    : x_process(process), x_map(map), x_book(book), x_walk(process, book), x_files(process) {
  for (const PollDescriptor& one : open) x_open.emplace(one.address, one.fd);
}

std::vector<KnownPool> PoolReader::known() {
  std::vector<KnownPool> all;
  for (const PoolLayout& layout : pool_layouts()) {
    for (const TypeInfo* type : x_book.instances(layout.pool)) {
      KnownPool one;
      one.layout = &layout;
      one.pool = type;
      one.connection = x_walk.type_behind(*type, layout.lists.front());
      if (one.connection == nullptr) continue;
      for (const std::string_view list : layout.lists) {
        if (const auto at = x_walk.first_word(*type, list)) one.lists.push_back(*at);
      }
      if (!layout.every.empty()) one.every = x_walk.first_word(*type, layout.every);
      one.way_out = x_walk.first_word(*one.connection, layout.connection);
      all.push_back(std::move(one));
    }
  }
  return all;
}

// Whether an object of the heap may be of this type: it is as large as the runtime makes them for
// it, and where it carries its type it says so. `whole`: not as a part of another.
bool PoolReader::can_be(const TypeInfo& type, uint64_t address, bool whole) {
  constexpr uint64_t kWithoutHeader = 512, kHeader = 8;  // the largest that carry no type
  const auto index = x_map.span_of(address);
  if (!index) return !whole;
  const HeapSpan& span = x_map.spans()[*index];
  const uint64_t start =
      span.start + (address - span.start) / span.element_size * span.element_size;
  const bool typed = x_process.layout().span_large_type != 0;
  const uint64_t header =
      typed && !span.single && span.element_size > kWithoutHeader ? kHeader : 0;
  if (address + type.size > start + span.element_size) return false;
  if (address != start + header) return !whole;
  if (header != 0) {
    const auto says = x_process.memory().load<uint64_t>(start);
    if (whole && (!says || *says != type.address)) return false;
  }
  return !whole || type.size + header >= TypeBook::least_value(span.element_size);
}

std::optional<int> PoolReader::descriptor(const KnownPool& pool, uint64_t address) {
  if (!can_be(*pool.connection, address, true)) return std::nullopt;
  const auto out = x_walk.one({pool.connection, address}, pool.layout->connection);
  if (!out) return std::nullopt;
  const auto word = x_process.memory().load<uint64_t>(
      out->address + (out->type->kind == TypeKind::kInterface ? 8 : 0));
  if (!word || !*word) return std::nullopt;
  const auto key = std::pair(out->address, **word);
  auto found = x_found.find(key);
  if (found == x_found.end()) {
    // The interface must be the very one that the field is declared with.
    if (!x_walk.behind(*out)) return std::nullopt;
    const auto file = x_files.file_behind(out->type->address, out->address);
    if (!file || x_found.size() >= kMostKept) return std::nullopt;
    found = x_found.emplace(key, *file).first;
  }
  // The file and the poller's descriptor must name the same number.
  const GoRuntimeLayout& layout = x_process.layout();
  const auto number = x_process.memory().load<int64_t>(found->second + layout.file_number);
  const auto polled = x_process.memory().load<uint64_t>(found->second + layout.file_poll);
  if (!number || !*number || !polled || !*polled) return std::nullopt;
  const auto open = x_open.find(**polled);
  return open != x_open.end() && open->second == **number ? std::optional(open->second)
                                                          : std::nullopt;
}

std::optional<uint64_t> PoolReader::pool_of(const KnownPool& pool, uint64_t connection) {
  if (pool.layout->back.empty()) return std::nullopt;
  const auto field = x_walk.one({pool.connection, connection}, pool.layout->back);
  const auto found = field ? x_walk.behind(*field) : std::nullopt;
  return found && found->type == pool.pool ? std::optional(found->address) : std::nullopt;
}

// The word in which a sync.Mutex keeps who has it, wherever in it a release has that.
std::optional<uint64_t> PoolReader::lock_state(const TypedPlace& place) {
  const auto lock = x_walk.behind(place);
  if (!lock) return std::nullopt;
  for (const std::string_view path : {"state", "mu.state"}) {
    if (const auto state = x_walk.one(*lock, path)) return x_walk.number(*state);
  }
  return std::nullopt;
}

bool PoolReader::free_to_take(const TypedPlace& place, std::string_view lock) {
  const auto field = x_walk.one(place, lock);
  const auto state = field ? lock_state(*field) : std::nullopt;
  return state && (*state & 1) == 0;
}

bool PoolReader::plausible(const KnownPool& pool, uint64_t address) {
  // The lowest bits of a lock are flags, the rest counts who waits.
  constexpr uint64_t kMostWaiting = uint64_t{1} << 24;
  if (!can_be(*pool.pool, address, false)) return false;
  const TypedPlace place{pool.pool, address};
  const auto field = x_walk.one(place, pool.layout->lock);
  const auto state = field ? lock_state(*field) : std::nullopt;
  if (!state || *state >> 3 > kMostWaiting) return false;
  return std::all_of(pool.layout->lists.begin(), pool.layout->lists.end(),
                     [&](std::string_view list) { return x_walk.all(place, list).has_value(); });
}

bool PoolReader::is_idle(const KnownPool& pool, const TypedPlace& connection, uint64_t address) {
  const PoolLayout& layout = *pool.layout;
  if (!layout.back.empty() && pool_of(pool, connection.address) != address) return false;
  if (!layout.entry_lock.empty() && !free_to_take(connection, layout.entry_lock)) return false;
  return std::all_of(layout.idle.begin(), layout.idle.end(), [&](const PoolFact& fact) {
    const auto field = x_walk.one(connection, fact.path);
    const auto value = field ? x_walk.number(*field) : std::nullopt;
    return value == fact.value;
  });
}

std::optional<std::map<uint64_t, int>> PoolReader::listed(const KnownPool& pool,
                                                          const TypedPlace& place) {
  std::map<uint64_t, int> found;
  uint64_t length = 0;
  for (const std::string_view list : pool.layout->lists) {
    const auto entries = x_walk.all(place, list);
    if (!entries) return std::nullopt;
    length += entries->size();
    for (const TypedPlace& entry : *entries) {
      const auto connection = x_walk.behind(entry);
      if (!connection || connection->type != pool.connection) continue;
      if (!is_idle(pool, *connection, place.address)) continue;
      if (const auto fd = descriptor(pool, connection->address))
        found.emplace(connection->address, *fd);
    }
  }
  if (!pool.layout->count.empty()) {
    const auto field = x_walk.one(place, pool.layout->count);
    if (!field || x_walk.number(*field) != length) return std::nullopt;
  }
  return found;
}

std::optional<std::map<uint64_t, int>> PoolReader::idle(const KnownPool& pool, uint64_t address) {
  const TypedPlace place{pool.pool, address};
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    if (!free_to_take(place, pool.layout->lock)) continue;
    auto first = listed(pool, place);
    const auto second = first ? listed(pool, place) : std::nullopt;
    if (!second || !free_to_take(place, pool.layout->lock)) continue;
    std::erase_if(*first, [&](const auto& one) {
      const auto again = second->find(one.first);
      return again == second->end() || again->second != one.second;
    });
    return first;
  }
  return std::nullopt;
}

std::vector<int> PoolReader::every(const KnownPool& pool, uint64_t address) {
  std::vector<int> found;
  if (pool.layout->every.empty()) return found;
  const auto entries = x_walk.all({pool.pool, address}, pool.layout->every);
  if (!entries) return found;
  for (const TypedPlace& entry : *entries) {
    const auto connection = x_walk.behind(entry);
    if (!connection || connection->type != pool.connection) continue;
    if (!pool.layout->back.empty() && pool_of(pool, connection->address) != address) continue;
    if (const auto fd = descriptor(pool, connection->address)) found.push_back(*fd);
  }
  return found;
}

}  // namespace unclosed
