#include "cli/goroutine_capture.h"

#include <fmt/format.h>

#include <algorithm>
#include <unordered_map>

namespace unclosed {
namespace {

constexpr size_t kIds = 4;  // as many as dumps keep of a group

// What tells groups apart before anything is named.
struct RawKey {
  uint32_t stack = 0;
  uint16_t state = 0;
  uint64_t go_pc = 0;
  bool operator==(const RawKey&) const = default;
};
struct RawKeyHash {
  size_t operator()(const RawKey& key) const {
    return std::hash<uint64_t>()(key.go_pc * 31 + (uint64_t{key.stack} << 16) + key.state);
  }
};

// The group that shows the same as this goroutine; made if there is none.
GoroutineGroup& group_of(const LiveGoroutine& goroutine, GoroutineNames& names,
                         std::vector<GoroutineGroup>& groups,
                         std::unordered_multimap<size_t, size_t>& by_text, size_t& index) {
  const NamedStack& stack = names.stack(goroutine);
  const auto& creator = names.created_by(goroutine);
  const std::string state = names.state(goroutine);
  size_t hash = std::hash<std::string>()(state);
  const auto mix = [&](const NamedFrame& frame) {
    hash = (hash ^ std::hash<std::string>()(frame.function) ^ frame.line) * 0x100000001b3ULL;
  };
  for (const NamedFrame& frame : stack.frames) mix(frame);
  if (creator) mix(*creator);
  const auto [from, to] = by_text.equal_range(hash);
  for (auto known = from; known != to; ++known) {
    GoroutineGroup& group = groups[known->second];
    index = known->second;
    if (group.state == state && group.created_by == creator && group.truncated == stack.truncated &&
        group.stack == stack.frames)
      return group;
  }
  index = groups.size();
  by_text.emplace(hash, index);
  GoroutineGroup group;
  group.state = state;
  group.stack = stack.frames;
  group.truncated = stack.truncated;
  group.created_by = creator;
  group.parent = goroutine.parent;
  group.key = hash | 1;
  return groups.emplace_back(std::move(group));
}

// How long it has waited; 0 where nobody knows.
double waited(const LiveGoroutine& goroutine, int64_t now) {
  if (goroutine.waiting_since <= 0 || goroutine.waiting_since > now) return 0;
  return static_cast<double>(now - goroutine.waiting_since) / 1e9;
}

void take(const LiveGoroutine& goroutine, int64_t now, GoroutineGroup& group) {
  const double seconds = waited(goroutine, now);
  if (group.count == 0) {
    group.wait = WaitSeconds{seconds, seconds};
  } else {
    group.wait->min = std::min(group.wait->min, seconds);
    group.wait->max = std::max(group.wait->max, seconds);
  }
  ++group.count;
  if (group.parent != goroutine.parent) group.parent = 0;
  if (goroutine.locked) ++group.locked_to_thread;
  if (goroutine.leaked) ++group.leaked;
  if (group.ids.size() < kIds) group.ids.push_back(goroutine.id);
}

}  // namespace

GoroutineCapture capture_goroutines(const GoProcess& process, const GoroutineList& list,
                                    GoroutineNames& names) {
  GoroutineCapture capture;
  capture.source = fmt::format("pid {}", process.process().pid);
  capture.rung = "memory";
  capture.go = process.version();
  capture.notes = process.notes();
  GoMemory& memory = capture.memory.emplace();
  memory.moving = list.moving;
  std::unordered_map<RawKey, size_t, RawKeyHash> known;
  std::unordered_multimap<size_t, size_t> by_text;
  for (const LiveGoroutine& goroutine : list.goroutines) {
    if (names.system(goroutine)) {
      ++memory.hidden;
      continue;
    }
    ++capture.goroutines;
    if (goroutine.stack == kNoGoroutineStack) ++memory.running;
    const auto state =
        static_cast<uint16_t>(static_cast<unsigned>(goroutine.status) << 8 | goroutine.wait_reason);
    const RawKey key{goroutine.stack, state, goroutine.go_pc};
    const auto at = known.find(key);
    if (at != known.end()) {
      take(goroutine, list.read_at, capture.groups[at->second]);
      continue;
    }
    size_t index = 0;
    take(goroutine, list.read_at, group_of(goroutine, names, capture.groups, by_text, index));
    known.emplace(key, index);
  }
  capture.goroutines += memory.moving;
  for (GoroutineGroup& group : capture.groups) {
    if (group.wait && group.wait->max <= 0) group.wait.reset();
  }
  std::stable_sort(
      capture.groups.begin(), capture.groups.end(),
      [](const GoroutineGroup& a, const GoroutineGroup& b) { return a.count > b.count; });
  if (memory.moving > 0) {
    capture.notes.push_back(fmt::format(
        "{} goroutines changed whenever they were read, and are in no group", memory.moving));
  }
  return capture;
}

}  // namespace unclosed
