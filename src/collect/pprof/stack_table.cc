#include "collect/pprof/stack_table.h"

#include <algorithm>

namespace unclosed {
namespace {

constexpr size_t kMostText = 256 << 10;       // of one goroutine that is parsed
constexpr size_t kMostTextInAll = 128 << 20;  // of all

}  // namespace

void StackTable::Entry::take_id(uint64_t id) {
  if (id == 0) return;
  for (uint64_t& kept : ids) {
    if (kept == id) return;
    if (kept == 0 || id < kept) std::swap(id, kept);
    if (id == 0) return;
  }
}

void StackTable::Entry::take(const Entry& other) {
  if (count == 0 || other.offset < offset) {
    offset = other.offset;
    size = other.size;
  }
  parent = count == 0 || parent == other.parent ? other.parent : 0;
  count += other.count;
  least_minutes = std::min(least_minutes, other.least_minutes);
  most_minutes = std::max(most_minutes, other.most_minutes);
  locked += other.locked;
  leaked += other.leaked;
  for (const uint64_t id : other.ids) take_id(id);
}

StackTable::Added StackTable::put(uint64_t key, const Entry& entry) {
  auto found = x_entries.find(key);
  const bool known = found != x_entries.end();
  if (!known) {
    if (x_entries.size() >= kMostKeys) {
      x_others += entry.count;
      return Added::kOther;
    }
    found = x_entries.emplace(key, Entry()).first;
  }
  found->second.take(entry);
  return known ? Added::kKnown : Added::kNew;
}

StackTable::Added StackTable::add(const TraceFacts& facts, uint64_t offset) {
  ++x_goroutines;
  Entry entry;
  entry.count = 1;
  entry.offset = offset;
  entry.size = static_cast<uint32_t>(std::min(facts.size, kMostText));
  entry.least_minutes = entry.most_minutes =
      static_cast<uint32_t>(std::min<uint64_t>(facts.header.wait_minutes, UINT32_MAX - 1));
  entry.parent = facts.parent;
  entry.locked = facts.header.locked ? 1 : 0;
  entry.leaked = facts.header.leaked ? 1 : 0;
  entry.ids[0] = facts.header.id;
  return put(facts.key, entry);
}

void StackTable::merge(const StackTable& other) {
  x_goroutines += other.x_goroutines;
  x_others += other.x_others;
  for (const auto& [key, entry] : other.x_entries) put(key, entry);
}

void StackTable::describe(const Entry& entry, GoroutineGroup& group) {
  group.count = entry.count;
  group.wait.reset();
  if (entry.most_minutes > 0)
    group.wait = WaitSeconds{entry.least_minutes * 60.0, entry.most_minutes * 60.0};
  group.parent = entry.parent;
  group.locked_to_thread = entry.locked;
  group.leaked = entry.leaked;
  group.ids.clear();
  for (const uint64_t id : entry.ids)
    if (id != 0) group.ids.push_back(id);
}

StackTable::Groups StackTable::groups(const Texts& texts) const {
  std::vector<std::pair<uint64_t, const Entry*>> order;
  order.reserve(x_entries.size());
  Groups result;
  result.others = x_others;
  for (const auto& [key, entry] : x_entries) {
    order.emplace_back(key, &entry);
    result.counts.emplace(key, entry.count);
  }
  std::sort(order.begin(), order.end(), [](const auto& a, const auto& b) {
    return a.second->count != b.second->count ? a.second->count > b.second->count
                                              : a.second->offset < b.second->offset;
  });
  size_t spent = 0;
  for (const auto& [key, entry] : order) {
    std::optional<ParsedTrace> trace;
    if (result.groups.size() < kMostGroups && spent < kMostTextInAll) {
      spent += entry->size;
      const auto text = texts(entry->offset, entry->size);
      if (text) trace = parse_trace(*text);
    }
    if (!trace) {
      result.others += entry->count;
      continue;
    }
    result.groups.push_back(group_of(std::move(*trace), key));
    describe(*entry, result.groups.back());
  }
  return result;
}

}  // namespace unclosed
