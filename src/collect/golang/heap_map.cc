#include "collect/golang/heap_map.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <set>

#include "base/bytes.h"
#include "collect/golang/memory_scan.h"

namespace unclosed {
namespace {

constexpr uint64_t kPage = 8192, kPagesInArena = 8192, kArena = kPage * kPagesInArena;
constexpr uint64_t kArenaBase = 0xffff800000000000;
constexpr uint64_t kArenas = uint64_t{1} << 22;
constexpr uint64_t kMostSpans = uint64_t{1} << 24;
constexpr size_t kMostLikely = 1024;          // variables that look like the heap
constexpr uint64_t kEnd = uint64_t{1} << 47;  // of what a process may map
constexpr uint8_t kInUse = 1;
constexpr uint64_t kGap = 1024;  // between descriptions of spans that are read as one piece
constexpr uint64_t kMostBits = kPage / 8 / 8;  // bytes: a bit for each of the smallest objects

// Whether the table of arenas at `arenas` leads from `start` to its span.
Result<bool> leads_to(RemoteMemory& memory, const GoRuntimeLayout& layout, uint64_t arenas,
                      uint64_t start, uint64_t span) {
  const auto table = memory.load<uint64_t>(arenas);
  if (!table) return table.error();
  const uint64_t index = (start - kArenaBase) / kArena;
  if (table->value_or(0) == 0 || index >= kArenas) return false;
  const auto arena = memory.load<uint64_t>(**table + index * 8);
  if (!arena) return arena.error();
  if (arena->value_or(0) == 0) return false;
  const uint64_t page = start / kPage % kPagesInArena;
  const auto found = memory.load<uint64_t>(**arena + layout.arena_spans + page * 8);
  if (!found) return found.error();
  return *found == span;
}

// Whether the heap is at `heap`: spans in use must be where its arenas have them.
Result<bool> is_heap(RemoteMemory& memory, const GoRuntimeLayout& layout, uint64_t heap) {
  const auto all = memory.load<GoSlice>(heap + layout.heap_spans);
  if (!all) return all.error();
  if (!*all || (*all)->length == 0 || (*all)->length > (*all)->capacity ||
      (*all)->capacity > kMostSpans || (*all)->data % 8 != 0)
    return false;
  constexpr uint64_t kLooks = 64;
  int agreed = 0;
  for (uint64_t i = 0; i < std::min((*all)->length, kLooks); ++i) {
    const auto span = memory.load<uint64_t>((*all)->data + i * 8);
    if (!span) return span.error();
    if (!*span || **span % 8 != 0) return false;
    const auto state = memory.load<uint8_t>(**span + layout.span_state);
    const auto start = memory.load<uint64_t>(**span + layout.span_start);
    if (!state || !start) return !state ? state.error() : start.error();
    if (!*state || !*start) return false;
    if (**state != kInUse) continue;
    const auto leads = leads_to(memory, layout, heap + layout.heap_arenas, **start, **span);
    if (!leads) return leads.error();
    if (*leads) ++agreed;
  }
  return agreed > 0;
}

// What a function loads or takes the address of, relative to its own code.
Result<std::set<uint64_t>> addresses_in(RemoteMemory& memory, const AddressRange& function) {
  constexpr uint64_t kMostCode = 16384, kSize = 7;
  std::vector<std::byte> code(std::min(function.size(), kMostCode));
  const auto got = memory.read(function.start, code);
  if (!got) return got.error();
  std::set<uint64_t> found;
  for (uint64_t at = 0; *got && at + kSize <= code.size(); ++at) {
    const auto byte = [&](uint64_t i) { return static_cast<uint8_t>(code[at + i]); };
    if ((byte(0) & 0xfb) != 0x48 || (byte(1) != 0x8b && byte(1) != 0x8d)) continue;
    if ((byte(2) & 0xc7) != 0x05) continue;
    const auto distance = load<int32_t>(Bytes(code), at + 3).value_or(0);
    found.insert(function.start + at + kSize + static_cast<uint64_t>(int64_t{distance}));
  }
  return found;
}

// By the code that asks the table of arenas for the span of an address.
Result<std::optional<uint64_t>> heap_by_code(GoProcess& process) {
  constexpr std::array<std::string_view, 4> kUsers = {
      "runtime.findObject", "runtime.spanOf", "runtime.(*mheap).sysAlloc", "runtime.arenaIndex"};
  for (const auto& function : process.functions(kUsers)) {
    if (!function) continue;
    const auto addresses = addresses_in(process.memory(), *function);
    if (!addresses) return addresses.error();
    for (const uint64_t address : *addresses) {
      const uint64_t heap = address - process.layout().heap_arenas;
      const auto is = is_heap(process.memory(), process.layout(), heap);
      if (!is) return is.error();
      if (*is) return std::optional(heap);
    }
  }
  return std::optional<uint64_t>();
}

// By its list of spans and its table of arenas, which lie in a variable.
Result<std::vector<uint64_t>> heaps_by_content(GoProcess& process) {
  const GoRuntimeLayout& layout = process.layout();
  const size_t arenas = (layout.heap_arenas - layout.heap_spans) / 8;
  std::vector<uint64_t> likely, found;
  for (const AddressRange& range : process.variables().all()) {
    const auto scanned =
        scan_words(process.memory(), range.start, range.end, arenas,
                   [&](uint64_t address, std::span<const uint64_t> words) {
                     for (size_t i = 0; i + arenas < words.size(); ++i) {
                       if (words[i] == 0 || words[i] % 4096 != 0 || words[i + 1] == 0 ||
                           words[i + 1] > words[i + 2] || words[i + 2] > kMostSpans ||
                           words[i + arenas] % 4096 != 0 || words[i + arenas] == 0 ||
                           likely.size() >= kMostLikely)
                         continue;
                       likely.push_back(address + i * 8 - layout.heap_spans);
                     }
                   });
    if (!scanned) return scanned.error();
  }
  for (const uint64_t heap : likely) {
    const auto is = is_heap(process.memory(), layout, heap);
    if (!is) return is.error();
    if (*is) found.push_back(heap);
  }
  return found;
}

Result<uint64_t> find_heap(GoProcess& process) {
  const auto refuse = [&](std::string_view why) {
    return Error{ErrorKind::kUnsupported,
                 fmt::format("the heap of process {} was not found for certain: {}",
                             process.process().pid, why),
                 "UC-E031"};
  };
  if (const auto symbol = process.symbol("runtime.mheap_")) {
    const auto is = is_heap(process.memory(), process.layout(), *symbol);
    if (!is) return is.error();
    if (!*is) return refuse(fmt::format("it is not laid out as {} has it", process.version()));
    return *symbol;
  }
  const auto by_code = heap_by_code(process);
  if (!by_code) return by_code.error();
  const auto by_content = heaps_by_content(process);
  if (!by_content) return by_content.error();
  if (by_content->empty()) return refuse("nothing in its variables looks like one");
  if (*by_code) {
    if (std::find(by_content->begin(), by_content->end(), **by_code) == by_content->end())
      return refuse("its content and the code that uses it differ");
    return **by_code;
  }
  if (by_content->size() > 1) return refuse("several variables look like it");
  return by_content->front();
}

// One span as its description has it; nullopt: not in use for objects, or torn.
std::optional<HeapSpan> decode(Bytes bytes, const GoRuntimeLayout& layout) {
  const auto word = [&](uint32_t offset) { return load<uint64_t>(bytes, offset).value_or(0); };
  if (load<uint8_t>(bytes, layout.span_state) != kInUse) return std::nullopt;
  HeapSpan span;
  const uint64_t pages = word(layout.span_pages);
  span.start = word(layout.span_start);
  span.element_size = word(layout.span_element_size);
  const bool narrow = layout.span_elements - layout.span_free_index == 2;
  span.elements = word(layout.span_elements) & (narrow ? 0xffff : UINT64_MAX);
  span.free_index = word(layout.span_free_index) & (narrow ? 0xffff : UINT64_MAX);
  span.alloc_bits = word(layout.span_alloc_bits);
  const uint8_t kind = load<uint8_t>(bytes, layout.span_class).value_or(1);
  span.pointers = (kind & 1) == 0;
  span.single = kind >> 1 == 0;
  if (layout.span_large_type != 0 && span.single) span.large_type = word(layout.span_large_type);
  if (span.start % kPage != 0 || span.start == 0 || pages == 0 || pages > (uint64_t{1} << 34))
    return std::nullopt;
  const uint64_t size = pages * kPage;
  if (span.element_size == 0 || span.element_size > size || span.elements == 0 ||
      span.elements > size / span.element_size || span.start >= kEnd || size > kEnd - span.start)
    return std::nullopt;
  span.end = span.start + size;
  return span;
}

}  // namespace

Result<HeapMap> HeapMap::read(GoProcess& process) {
  const auto heap = find_heap(process);
  if (!heap) return heap.error();
  HeapMap map;
  const auto read = map.read_spans(process, *heap);
  if (!read) return read.error();
  return map;
}

Status HeapMap::read_spans(GoProcess& process, uint64_t heap) {
  const GoRuntimeLayout& layout = process.layout();
  const auto refuse = Error{
      ErrorKind::kUnsupported,
      fmt::format("the spans of the heap of process {} cannot be read", process.process().pid),
      "UC-E031"};
  const auto all = process.memory().load<GoSlice>(heap + layout.heap_spans);
  if (!all) return all.error();
  if (!*all || (*all)->length > kMostSpans) return refuse;
  auto listed = read_words(process.memory(), (*all)->data, (*all)->length);
  if (!listed) return listed.error();
  if (!*listed) return refuse;
  std::vector<uint64_t> addresses = std::move(**listed);
  std::sort(addresses.begin(), addresses.end());
  addresses.erase(std::unique(addresses.begin(), addresses.end()), addresses.end());
  constexpr size_t kBatch = 4096;
  for (size_t from = 0; from < addresses.size(); from += kBatch) {
    const size_t count = std::min(kBatch, addresses.size() - from);
    const auto read = read_batch(process, std::span(addresses).subspan(from, count));
    if (!read) return read;
  }
  sort_spans();
  if (x_spans.empty()) return refuse;
  return {};
}

// Neighbours as one piece: the runtime allocates descriptions side by side.
Status HeapMap::read_batch(GoProcess& process, std::span<const uint64_t> addresses) {
  const GoRuntimeLayout& layout = process.layout();
  std::vector<std::byte> bytes;
  std::vector<RemoteMemory::Piece> pieces;
  std::vector<size_t> places;
  std::vector<AddressRange> ranges;
  uint64_t used = 0;
  for (const uint64_t address : addresses) {
    if (ranges.empty() || address - ranges.back().end > kGap || address < ranges.back().end) {
      ranges.push_back({address, address});
    }
    used += address + layout.span_size - ranges.back().end;
    ranges.back().end = address + layout.span_size;
    places.push_back(used - layout.span_size);
  }
  bytes.resize(used);
  uint64_t at = 0;
  for (const AddressRange& range : ranges) {
    pieces.push_back({range.start, std::span(bytes).subspan(at, range.size())});
    at += range.size();
  }
  const auto read = process.memory().read(pieces);
  if (!read) return read;
  for (const auto& piece : pieces)
    if (!piece.got) std::fill(piece.into.begin(), piece.into.end(), std::byte{0});
  for (const size_t place : places) {
    const auto span = decode(Bytes(bytes).subspan(place, layout.span_size), layout);
    if (span) x_spans.push_back(*span);
  }
  return {};
}

void HeapMap::sort_spans() {
  std::sort(x_spans.begin(), x_spans.end(),
            [](const HeapSpan& a, const HeapSpan& b) { return a.start < b.start; });
  // Read while they changed, two may claim the same memory.
  uint64_t end = 0;
  std::erase_if(x_spans, [&](const HeapSpan& span) {
    if (span.start < end) return true;
    end = span.end;
    return false;
  });
  for (const HeapSpan& span : x_spans) {
    x_bytes += span.end - span.start;
    if (span.pointers) x_pointer_bytes += span.end - span.start;
  }
}

std::optional<size_t> HeapMap::span_of(uint64_t address) const {
  const auto after =
      std::upper_bound(x_spans.begin(), x_spans.end(), address,
                       [](uint64_t value, const HeapSpan& span) { return value < span.start; });
  if (after == x_spans.begin() || address >= std::prev(after)->objects_end()) return std::nullopt;
  return static_cast<size_t>(after - x_spans.begin()) - 1;
}

bool TakenObjects::taken(size_t index, uint64_t object) {
  const HeapSpan& span = x_map.spans()[index];
  if (object < span.free_index) return true;
  const auto [place, fresh] = x_bits.try_emplace(index);
  if (fresh) {
    place->second.resize(std::min(span.elements / 8 + 1, kMostBits));
    const auto got = x_memory.read(span.alloc_bits, place->second);
    // Without the bits all are taken for used: what holds them decides.
    if (!got || !*got) std::fill(place->second.begin(), place->second.end(), std::byte{0xff});
  }
  const uint64_t byte = object / 8;
  if (byte >= place->second.size()) return true;
  return (std::to_integer<unsigned>(place->second[byte]) >> (object % 8) & 1) != 0;
}

}  // namespace unclosed
