#include "collect/golang/poll_descriptors.h"

#include <algorithm>
#include <unordered_set>

#include "base/bytes.h"
#include "collect/golang/heap_map.h"
#include "collect/golang/memory_scan.h"

namespace unclosed {
namespace {

constexpr uint64_t kChunk = 256 << 10;  // in which the runtime allocates for ever
constexpr size_t kMostChunks = 1 << 16;
constexpr size_t kMostSteps = 1 << 18;  // through lists that may be none
constexpr size_t kMostHeads = 1 << 20;
constexpr uint64_t kPage = 4096;
constexpr uint64_t kMostOfAMapping = 64 << 20;  // of memory that may hold them
constexpr uint64_t kNobody = 2;                 // up to it: no goroutine waits, one is about to

using Areas = std::vector<AddressRange>;

// Follows the list of chunks from `first`, at most `steps` far; empty: it is no such list.
Result<Areas> follow(RemoteMemory& memory, uint64_t first, size_t& steps) {
  Areas areas;
  for (uint64_t at = first; at != 0;) {
    if (at % kPage != 0 || areas.size() == kMostChunks || steps == 0) return Areas();
    --steps;
    const auto next = memory.load<uint64_t>(at);
    if (!next) return next.error();
    if (!*next) return Areas();
    areas.push_back({at, at + kChunk});
    at = **next;
  }
  return areas;
}

// Anonymous memory that can be written to.
Result<Areas> anonymous(GoProcess& process) {
  const auto mappings = process.proc().mappings(process.process());
  if (!mappings) return mappings.error();
  Areas areas;
  for (const Mapping& mapping : *mappings) {
    if (mapping.writable && mapping.inode == 0 && (mapping.path.empty() || mapping.path[0] != '['))
      areas.push_back({mapping.start, mapping.end});
  }
  return areas;
}

// Variables point to pages of the heap, too, and objects there may look like descriptors: a word
// that points back to where another one's fields would begin is enough.
void leave_heap(GoProcess& process, Areas& areas) {
  const auto heap = HeapMap::read(process);
  if (!heap) return;
  std::erase_if(areas, [&](const AddressRange& area) {
    const auto& spans = heap->spans();
    const auto span = std::upper_bound(
        spans.begin(), spans.end(), area.start,
        [](uint64_t value, const HeapSpan& one) { return value < one.end; });
    return span != spans.end() && span->start < area.end;
  });
}

// Without symbols: every variable that may be the head of the list of chunks.
Result<Areas> likely_chunks(GoProcess& process) {
  const auto maps = anonymous(process);
  if (!maps) return maps.error();
  const auto holds_chunk = [&](uint64_t at) {
    const auto after = std::upper_bound(
        maps->begin(), maps->end(), at,
        [](uint64_t value, const AddressRange& range) { return value < range.start; });
    return after != maps->begin() && std::prev(after)->holds(at) &&
           std::prev(after)->end - at >= kChunk;
  };
  std::vector<uint64_t> heads;
  for (const AddressRange& range : {process.variables().noptrbss, process.variables().bss}) {
    const auto scanned =
        scan_words(process.memory(), range.start, range.end, 0,
                   [&](uint64_t, std::span<const uint64_t> words) {
                     for (const uint64_t word : words)
                       if (word != 0 && word % kPage == 0 && heads.size() < kMostHeads)
                         heads.push_back(word);
                   });
    if (!scanned) return scanned.error();
  }
  std::sort(heads.begin(), heads.end());
  heads.erase(std::unique(heads.begin(), heads.end()), heads.end());
  std::unordered_set<uint64_t> known;
  Areas areas;
  size_t steps = kMostSteps;
  for (const uint64_t head : heads) {
    if (!holds_chunk(head)) continue;
    auto list = follow(process.memory(), head, steps);
    if (!list) return list.error();
    for (const AddressRange& area : *list) {
      if (holds_chunk(area.start) && known.insert(area.start).second) areas.push_back(area);
    }
  }
  leave_heap(process, areas);
  return areas;
}

struct Found {
  PollDescriptor descriptor;
  uint64_t reader = 0, writer = 0;  // as the poller has them: addresses of goroutines
};

// What these bytes of a pollDesc say; nullopt: it is not in use.
std::optional<Found> decode(Bytes bytes, uint64_t address, const GoRuntimeLayout& layout) {
  const auto word = [&](uint32_t offset) { return load<uint64_t>(bytes, offset).value_or(0); };
  if (word(layout.poll_self) != address || word(layout.poll_fd) > INT32_MAX) return std::nullopt;
  // One that was given back keeps its number, and stays marked as being closed.
  if (load<uint8_t>(bytes, layout.poll_closing) != uint8_t{0}) return std::nullopt;
  // Counted from the first opening on: what merely refers to itself elsewhere has no such counts.
  constexpr uint64_t kMostOpenings = uint64_t{1} << 40;
  for (const uint64_t count : {word(layout.poll_read_count), word(layout.poll_write_count)})
    if (count == 0 || count > kMostOpenings) return std::nullopt;
  Found found;
  found.descriptor.address = address;
  found.descriptor.fd = static_cast<int>(word(layout.poll_fd));
  found.reader = word(layout.poll_reader);
  found.writer = word(layout.poll_writer);
  return found;
}

// Each knows its own address, which tells them from everything else.
Status look_through(GoProcess& process, Areas areas, std::vector<Found>& into) {
  const GoRuntimeLayout& layout = process.layout();
  const size_t self = layout.poll_self / 8, size = layout.poll_size / 8;
  std::sort(areas.begin(), areas.end(),
            [](const AddressRange& a, const AddressRange& b) { return a.start < b.start; });
  uint64_t end = 0;
  for (AddressRange area : areas) {
    // Chunks do not overlap; what says so otherwise is looked through once.
    area.start = std::max(area.start, end);
    end = std::max(area.end, end);
    const auto scanned =
        scan_words(process.memory(), area.start, area.end, size,
                   [&](uint64_t address, std::span<const uint64_t> words) {
                     for (size_t i = 0; i + size <= words.size(); ++i) {
                       if (words[i + self] != address + i * 8) continue;
                       const auto found =
                           decode(std::as_bytes(words.subspan(i, size)), address + i * 8, layout);
                       if (found) into.push_back(*found);
                     }
                   });
    if (!scanned) return scanned;
  }
  return {};
}

Result<std::vector<Found>> all(GoProcess& process) {
  std::vector<Found> found;
  Areas areas;
  if (const auto symbol = process.symbol("runtime.persistentChunks")) {
    const auto head = process.memory().load<uint64_t>(*symbol);
    if (!head) return head.error();
    size_t steps = kMostChunks;
    auto list = follow(process.memory(), head->value_or(0), steps);
    if (!list) return list.error();
    areas = std::move(*list);
  }
  if (areas.empty()) {
    auto likely = likely_chunks(process);
    if (!likely) return likely.error();
    areas = std::move(*likely);
  }
  auto looked = look_through(process, areas, found);
  if (looked && found.empty()) {
    auto maps = anonymous(process);
    if (!maps) return maps.error();
    std::erase_if(*maps, [](const AddressRange& one) { return one.size() > kMostOfAMapping; });
    looked = look_through(process, *maps, found);
  }
  if (!looked) return looked.error();
  return found;
}

// The numbers among `idle` that are open. Listing all descriptors takes longer than asking for few.
Result<std::vector<int>> open_among(GoProcess& process, const std::vector<int>& idle) {
  constexpr size_t kFew = 500;
  if (idle.size() > kFew) return process.proc().descriptors(process.process());
  std::vector<int> open;
  for (const int fd : idle) {
    const auto link = process.proc().link(process.process(), fd);
    if (link) open.push_back(fd);
    if (!link && link.error().kind != ErrorKind::kGone) return link.error();
  }
  std::sort(open.begin(), open.end());
  return open;
}

// Those that are open: what a goroutine is parked on is, of the rest /proc knows. Where a number
// was used before, the one with a goroutine, else the last.
Status keep_open(GoProcess& process, std::vector<Found>& found) {
  const auto waits = [](const Found& one) { return one.reader > kNobody || one.writer > kNobody; };
  std::vector<int> idle;
  for (const Found& one : found)
    if (!waits(one)) idle.push_back(one.descriptor.fd);
  const auto open = open_among(process, idle);
  if (!open) return open.error();
  std::erase_if(found, [&](const Found& one) {
    return !waits(one) && !std::binary_search(open->begin(), open->end(), one.descriptor.fd);
  });
  std::stable_sort(found.begin(), found.end(), [&](const Found& a, const Found& b) {
    if (a.descriptor.fd != b.descriptor.fd) return a.descriptor.fd < b.descriptor.fd;
    return waits(a) && !waits(b);
  });
  const auto same = [](const Found& a, const Found& b) {
    return a.descriptor.fd == b.descriptor.fd;
  };
  found.erase(std::unique(found.begin(), found.end(), same), found.end());
  return {};
}

// The ids of those that still wait, by the address of their g.
Result<std::vector<std::pair<uint64_t, uint64_t>>> waiting_ids(GoProcess& process,
                                                               const std::vector<Found>& found) {
  std::vector<uint64_t> addresses;
  for (const Found& one : found) {
    for (const uint64_t g : {one.reader, one.writer})
      if (g > kNobody && g % 8 == 0) addresses.push_back(g);
  }
  std::sort(addresses.begin(), addresses.end());
  addresses.erase(std::unique(addresses.begin(), addresses.end()), addresses.end());
  const GoRuntimeLayout& layout = process.layout();
  const uint32_t from = std::min(layout.g_status, layout.g_id);
  const size_t size = std::max(layout.g_status, layout.g_id) + 8 - from;
  std::vector<std::byte> bytes(addresses.size() * size);
  std::vector<RemoteMemory::Piece> pieces;
  for (size_t i = 0; i < addresses.size(); ++i)
    pieces.push_back({addresses[i] + from, std::span(bytes).subspan(i * size, size)});
  const auto read = process.memory().read(pieces);
  if (!read) return read.error();
  std::vector<std::pair<uint64_t, uint64_t>> ids;
  for (size_t i = 0; i < addresses.size(); ++i) {
    const Bytes g = pieces[i].into;
    const auto status =
        goroutine_status(load<uint32_t>(g, layout.g_status - from).value_or(UINT32_MAX));
    const uint64_t id = load<uint64_t>(g, layout.g_id - from).value_or(0);
    if (pieces[i].got && status == GoroutineStatus::kWaiting) ids.emplace_back(addresses[i], id);
  }
  return ids;
}

// Who was parked before and after the goroutines were read is parked on it.
Status name_goroutines(GoProcess& process, std::vector<Found>& found) {
  const auto ids = waiting_ids(process, found);
  if (!ids) return ids.error();
  const size_t size = process.layout().poll_size;
  std::vector<std::byte> bytes(found.size() * size);
  std::vector<RemoteMemory::Piece> pieces;
  for (size_t i = 0; i < found.size(); ++i) {
    pieces.push_back({found[i].descriptor.address, std::span(bytes).subspan(i * size, size)});
  }
  const auto read = process.memory().read(pieces);
  if (!read) return read;
  const auto id_of = [&](uint64_t before, uint64_t after) -> uint64_t {
    if (before != after || before <= kNobody) return 0;
    const auto at = std::lower_bound(ids->begin(), ids->end(), std::pair(before, uint64_t{0}));
    return at != ids->end() && at->first == before ? at->second : 0;
  };
  for (size_t i = 0; i < found.size(); ++i) {
    PollDescriptor& descriptor = found[i].descriptor;
    const auto now =
        pieces[i].got ? decode(pieces[i].into, descriptor.address, process.layout()) : std::nullopt;
    if (!now || now->descriptor.fd != descriptor.fd) continue;
    descriptor.reader = id_of(found[i].reader, now->reader);
    descriptor.writer = id_of(found[i].writer, now->writer);
  }
  return {};
}

}  // namespace

Result<std::vector<PollDescriptor>> poll_descriptors(GoProcess& process) {
  auto found = all(process);
  if (!found) return found.error();
  auto done = keep_open(process, *found);
  if (done) done = name_goroutines(process, *found);
  if (done) done = process.still_there();
  if (!done) return done.error();
  std::vector<PollDescriptor> descriptors;
  descriptors.reserve(found->size());
  for (const Found& one : *found) descriptors.push_back(one.descriptor);
  return descriptors;
}

}  // namespace unclosed
