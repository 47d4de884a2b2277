#include "collect/golang/holder_graph.h"

#include <algorithm>
#include <map>

#include "base/clock.h"

namespace unclosed {
namespace {

constexpr uint64_t kChunk = 1 << 20;                // bytes that are read at a time
constexpr size_t kMostPieces = 1024;                // in one call
constexpr uint64_t kMostOfAll = uint64_t{1} << 42;  // bytes: a process may say that it has any
constexpr uint64_t kSmallShare = 16;  // of the whole: groups that are searched between others
constexpr uint64_t kMostOfAStack = 64 << 20;
constexpr uint32_t kDeferOffset = 40;  // of g._defer, in every release
constexpr uint64_t kWord = 8;

}  // namespace

HolderGraph::HolderGraph(GoProcess& process, const HeapMap& map, const GoroutineList& list,
                         RankRoot rank, const HolderSettings& settings)
    : x_process(process),
      x_map(map),
      x_list(list),
      x_rank(std::move(rank)),
      x_settings(settings),
      x_taken(process.memory(), map) {}

void HolderGraph::add_piece(Group& group, uint64_t start, uint64_t size, uint32_t from) {
  for (uint64_t at = 0; at + kWord <= size; at += kChunk) {
    const uint64_t part = std::min(kChunk, size - at) & ~(kWord - 1);
    if (x_planned > kMostOfAll - part) {
      ++x_left_out;
      return;
    }
    x_planned += part;
    group.pieces.push_back({start + at, static_cast<uint32_t>(part), from});
    group.bytes += part;
  }
}

void HolderGraph::make_chunks(Group& group) {
  uint64_t bytes = 0;
  for (size_t i = 0; i < group.pieces.size(); ++i) {
    const uint32_t size = group.pieces[i].size;
    if (group.chunks.empty() || bytes + size > kChunk || group.chunks.back().count == kMostPieces) {
      group.chunks.push_back({i, 0, 0});
      bytes = 0;
    }
    ++group.chunks.back().count;
    bytes += size;
  }
}

// Objects by their size, stacks, variables; those that cost least come first.
Status HolderGraph::make_groups() {
  std::map<uint64_t, Group> by_size;
  for (uint32_t i = 0; i < x_map.spans().size(); ++i) {
    const HeapSpan& span = x_map.spans()[i];
    if (!span.pointers) continue;
    const uint64_t key = span.single ? UINT64_MAX : span.element_size;
    add_piece(by_size[key], span.start, span.objects_end() - span.start, i);
  }
  for (auto& [size, group] : by_size) x_groups.push_back(std::move(group));
  Group variables;
  variables.source = Source::kVariables;
  for (const AddressRange& range : {x_process.variables().data, x_process.variables().bss})
    add_piece(variables, (range.start + 7) & ~uint64_t{7}, range.size(), 0);
  x_groups.push_back(std::move(variables));
  Group stacks;
  stacks.source = Source::kStacks;
  for (uint32_t i = 0; i < x_list.goroutines.size(); ++i) {
    const LiveGoroutine& one = x_list.goroutines[i];
    x_goroutines.emplace(one.address, i);
    // What runs says nowhere how much of its stack is in use.
    const bool parked = one.stack != kNoGoroutineStack;
    const uint64_t from = parked ? one.sp : one.stack_low;
    if (from % kWord == 0 && from < one.stack_high && one.stack_high - from <= kMostOfAStack)
      add_piece(stacks, from, one.stack_high - from, i);
  }
  x_groups.push_back(std::move(stacks));
  std::erase_if(x_groups, [](const Group& group) { return group.pieces.empty(); });
  std::sort(x_groups.begin(), x_groups.end(),
            [](const Group& a, const Group& b) { return a.bytes < b.bytes; });
  uint64_t all = 0, sum = 0;
  for (Group& group : x_groups) {
    make_chunks(group);
    all += group.bytes;
  }
  while (x_small < x_groups.size() && (sum += x_groups[x_small].bytes) <= all / kSmallShare)
    ++x_small;
  return {};
}

uint32_t HolderGraph::object_at(uint64_t address) const {
  const auto span = x_map.span_of(address);
  uint64_t start = address;
  if (span) {
    const HeapSpan& at = x_map.spans()[*span];
    start = at.start + (address - at.start) / at.element_size * at.element_size;
  }
  const auto known = x_by_address.find(start);
  return known == x_by_address.end() ? kNone : known->second;
}

// The object that holds `word`, made known where it was not.
uint32_t HolderGraph::holder_at(uint32_t index, uint64_t word, uint32_t target) {
  const HeapSpan& span = x_map.spans()[index];
  if (word >= span.objects_end()) return kNone;
  const uint64_t number = (word - span.start) / span.element_size;
  const uint64_t start = span.start + number * span.element_size;
  const auto known = x_by_address.find(start);
  if (known != x_by_address.end()) return known->second;
  if (!x_taken.taken(index, number)) return kNone;
  const uint32_t level = x_objects[target].level + 1;
  if (x_objects.size() >= x_settings.most_objects || level > x_settings.most_levels) {
    ++x_left_out;
    return kNone;
  }
  const auto fresh = static_cast<uint32_t>(x_objects.size());
  x_objects.push_back({start, span.element_size, level, index});
  if (level <= x_settings.least_levels) x_near = fresh + 1;
  x_by_address.emplace(start, fresh);
  x_filter.add(start, span.element_size);
  return fresh;
}

// Whether the word belongs to the file that the poller's descriptor is for.
bool HolderGraph::names_descriptor(uint32_t target, uint64_t word) {
  const GoRuntimeLayout& layout = x_process.layout();
  const uint64_t file = word - layout.file_poll;
  const auto number = x_process.memory().load<int64_t>(file + layout.file_number);
  return number && *number && **number == x_numbers[target];
}

void HolderGraph::root(uint32_t target, RootPlace::Kind kind, uint32_t goroutine, uint64_t word) {
  const auto rank = x_rank({kind, goroutine, word});
  if (!rank) return;
  if (x_roots.size() >= x_settings.most_links) {
    ++x_left_out;
    return;
  }
  x_roots.push_back({target, {kind, goroutine, word}, *rank});
}

void HolderGraph::hit(const Group& group, const Piece& piece, uint64_t value, uint64_t word,
                      uint32_t seen) {
  const uint32_t target = object_at(value);
  if (target == kNone || target < seen) return;
  const bool descriptor = target < x_numbers.size();
  switch (group.source) {
    case Source::kHeap: {
      if (descriptor && (x_objects[target].address != value || !names_descriptor(target, word)))
        return;
      const HeapSpan& span = x_map.spans()[piece.from];
      const uint64_t start =
          span.start + (word - span.start) / span.element_size * span.element_size;
      const auto g = x_goroutines.find(start);
      if (g != x_goroutines.end()) {
        if (word - start == kDeferOffset) root(target, RootPlace::Kind::kDeferred, g->second, word);
        return;
      }
      const uint32_t holder = holder_at(piece.from, word, target);
      if (holder == kNone || holder == target) return;
      if (x_links.size() >= x_settings.most_links)
        ++x_left_out;
      else
        x_links.push_back({holder, target, word});
      return;
    }
    case Source::kVariables:
      if (!descriptor) root(target, RootPlace::Kind::kVariable, 0, word);
      return;
    case Source::kStacks:
      if (!descriptor) root(target, RootPlace::Kind::kStack, piece.from, word);
      return;
  }
}

void HolderGraph::scan(const Group& group, const Piece& piece, std::span<const uint64_t> words,
                       uint32_t seen) {
  for (size_t i = 0; i < words.size(); ++i) {
    if (x_filter.holds(words[i])) hit(group, piece, words[i], piece.start + i * kWord, seen);
  }
}

Status HolderGraph::search(const Group& group, Chunk& chunk) {
  const uint32_t seen = chunk.seen;
  chunk.seen = static_cast<uint32_t>(x_objects.size());
  const auto pieces = std::span(group.pieces).subspan(chunk.first, chunk.count);
  x_reads.clear();
  x_buffer.resize(kChunk / kWord);
  size_t used = 0;
  for (const Piece& piece : pieces) {
    const auto into = std::span(x_buffer).subspan(used, piece.size / kWord);
    x_reads.push_back({piece.start, std::as_writable_bytes(into)});
    used += piece.size / kWord;
  }
  const auto read = x_process.memory().read(x_reads);
  if (!read) return read;
  used = 0;
  for (size_t i = 0; i < pieces.size(); ++i) {
    const size_t count = pieces[i].size / kWord;
    if (x_reads[i].got) scan(group, pieces[i], std::span(x_buffer).subspan(used, count), seen);
    used += count;
  }
  x_bytes += used * kWord;
  return {};
}

bool HolderGraph::stale(const Group& group) const {
  return std::any_of(group.chunks.begin(), group.chunks.end(),
                     [&](const Chunk& chunk) { return chunk.seen < x_objects.size(); });
}

// Whether something close to the descriptors was not looked for everywhere yet.
bool HolderGraph::near_stale() const {
  return std::any_of(x_groups.begin(), x_groups.end(), [&](const Group& group) {
    return std::any_of(group.chunks.begin(), group.chunks.end(),
                       [&](const Chunk& chunk) { return chunk.seen < x_near; });
  });
}

Status HolderGraph::search(Group& group) {
  for (Chunk& chunk : group.chunks) {
    if (chunk.seen == x_objects.size()) continue;
    const auto done = search(group, chunk);
    if (!done) return done;
    if (static_cast<double>(monotonic_now().ns - x_started) / 1e9 > x_settings.most_seconds) {
      x_late = true;
      return {};
    }
  }
  return {};
}

// Over everything once; what costs little follows each find at once.
Status HolderGraph::pass() {
  const auto small = [&]() -> Status {
    for (size_t i = 0; i < x_small && !x_late; ++i) {
      if (!stale(x_groups[i])) continue;
      const size_t known = x_objects.size();
      const auto done = search(x_groups[i]);
      if (!done) return done;
      if (x_objects.size() > known && i > 0) i = static_cast<size_t>(-1);
    }
    return {};
  };
  ++x_passes;
  for (size_t i = x_small; i < x_groups.size() && !x_late; ++i) {
    auto done = small();
    if (done) done = search(x_groups[i]);
    if (!done) return done;
  }
  return small();
}

// What leads to an object, as far as roots are told apart: nothing, what is not known to keep it,
// one of many goroutines alike (by index), several of those, something else.
constexpr uint32_t kNobody = UINT32_MAX, kWeak = UINT32_MAX - 1, kSeveral = UINT32_MAX - 2,
                   kOwner = UINT32_MAX - 3;

static uint32_t reached_by(const HolderGraph::Root& root) {
  if (root.rank.keeps == RootRank::kNever) return kWeak;
  return root.rank.kind == RootRank::kNoKind ? kOwner : root.place.goroutine;
}

static uint32_t join(uint32_t one, uint32_t two) {
  if (one == two) return one;
  for (const uint32_t least : {kNobody, kWeak}) {
    if (one == least) return two;
    if (two == least) return one;
  }
  return one == kOwner || two == kOwner ? kOwner : kSeveral;
}

// Whether some root leads to each of the descriptors that any object holds. Where several of many
// goroutines alike do, something else may own what they reach, further away.
bool HolderGraph::all_rooted() {
  std::sort(x_links.begin(), x_links.end());
  x_links.erase(std::unique(x_links.begin(), x_links.end()), x_links.end());
  std::vector<uint32_t> todo, by(x_objects.size(), kNobody);
  const auto reach = [&](uint32_t object, uint32_t from) {
    const uint32_t joined = join(by[object], from);
    if (joined == by[object]) return;
    by[object] = joined;
    todo.push_back(object);
  };
  for (const Root& root : x_roots) reach(root.target, reached_by(root));
  while (!todo.empty()) {
    const uint32_t holder = todo.back();
    todo.pop_back();
    auto link = std::lower_bound(x_links.begin(), x_links.end(), Link{holder, 0, 0});
    for (; link != x_links.end() && link->holder == holder; ++link)
      reach(link->target, by[holder]);
  }
  const bool any = beyond(x_settings.owner_passes);
  return std::all_of(by.begin(), by.begin() + static_cast<int64_t>(x_numbers.size()),
                     [&](uint32_t one) { return one != kNobody && (any || one != kSeveral); });
}

Status HolderGraph::build(const std::vector<PollDescriptor>& descriptors) {
  x_started = monotonic_now().ns;
  for (const PollDescriptor& one : descriptors) {
    x_by_address.emplace(one.address, static_cast<uint32_t>(x_objects.size()));
    x_objects.push_back({one.address, kWord, 0, kNone});
    x_numbers.push_back(one.fd);
    x_filter.add(one.address, kWord);
  }
  if (descriptors.empty()) {
    x_complete = true;
    return {};
  }
  const auto made = make_groups();
  if (!made) return made;
  const auto any_stale = [&] {
    return std::any_of(x_groups.begin(), x_groups.end(),
                       [&](const Group& group) { return stale(group); });
  };
  while (!beyond(x_settings.most_passes) && !x_late) {
    const auto done = pass();
    if (!done) return done;
    const bool enough = all_rooted() && x_passes >= x_settings.least_passes && !near_stale();
    if (enough || !any_stale()) break;
  }
  x_complete = !x_late && x_left_out == 0 && !any_stale();
  const auto by_place = [](const Root& a, const Root& b) {
    return std::pair(a.place.word, a.target) < std::pair(b.place.word, b.target);
  };
  std::sort(x_roots.begin(), x_roots.end(), by_place);
  const auto same = [](const Root& a, const Root& b) {
    return a.place.word == b.place.word && a.target == b.target;
  };
  x_roots.erase(std::unique(x_roots.begin(), x_roots.end(), same), x_roots.end());
  return {};
}

}  // namespace unclosed
