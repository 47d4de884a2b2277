// HeapMap: the heap of a Go process by its spans: where objects lie, how large they are, and
// whether they may hold pointers. Found by symbol, by the code that uses it, or by content, and
// checked both ways (the list of spans, the table of arenas) before it is believed. It is of one
// moment: spans come and go meanwhile. Of objects it knows whether they were taken when their span
// was read, not whether anything reaches them. One thread at a time.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <unordered_map>
#include <vector>

#include "collect/golang/go_process.h"

namespace unclosed {

struct HeapSpan {
  uint64_t start = 0, end = 0;  // of the memory
  uint64_t element_size = 0;    // of each object; never 0
  uint64_t elements = 0;
  uint64_t free_index = 0;  // all objects below are taken
  uint64_t alloc_bits = 0;  // address of a bit for each object
  uint64_t large_type = 0;  // of a single large object; 0: not known
  bool pointers = false;    // its objects may hold some
  bool single = false;      // one large object
  // Where the last object ends; behind it lies what the collector notes.
  uint64_t objects_end() const { return start + elements * element_size; }
};

class HeapMap {
 public:
  // kUnsupported: the heap was not found for certain, or is not laid out as its release has it.
  static Result<HeapMap> read(GoProcess& process);

  // In use for objects, ascending by address.
  const std::vector<HeapSpan>& spans() const { return x_spans; }
  // Bytes of all spans, and of those whose objects may hold pointers.
  uint64_t bytes() const { return x_bytes; }
  uint64_t pointer_bytes() const { return x_pointer_bytes; }
  // Index of the span that holds `address`; nullopt: no object is there.
  std::optional<size_t> span_of(uint64_t address) const;

 private:
  HeapMap() = default;
  Status read_spans(GoProcess& process, uint64_t heap);
  Status read_batch(GoProcess& process, std::span<const uint64_t> addresses);
  void sort_spans();

  std::vector<HeapSpan> x_spans;
  uint64_t x_bytes = 0, x_pointer_bytes = 0;
};

// Whether objects are in use, by the bits of their spans, which are read once each.
class TakenObjects {
 public:
  TakenObjects(RemoteMemory& memory, const HeapMap& map) : x_memory(memory), x_map(map) {}
  bool taken(size_t span, uint64_t index);

 private:
  RemoteMemory& x_memory;
  const HeapMap& x_map;
  std::unordered_map<size_t, std::vector<std::byte>> x_bits;
};

}  // namespace unclosed
