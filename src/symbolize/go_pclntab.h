// GoPclntab: Go's table of functions, files and lines, for the layouts of Go 1.18 to 1.26 (magics
// 0xfffffff0 and 0xfffffff1, 64 bit, little endian). Binary searches in the mapped file; nothing is
// parsed up front or copied. Every offset in the table is checked where it is used. It cannot know
// where text starts (Go 1.26 does not say it here): the caller does. A view; any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"

namespace unclosed {

struct GoFunction {
  uint64_t entry = 0, end = 0;                               // offsets from the start of text
  std::string_view name;                                     // as the linker wrote it
  uint32_t frame_table = 0, file_table = 0, line_table = 0;  // offsets in the pc-value table
  uint32_t unit = 0;                                         // of its file numbers
  uint8_t id = 0, flags = 0;
  uint32_t pcdata_count = 0, funcdata_count = 0;
  Bytes data;  // pcdata and funcdata offsets
  bool assembly() const { return (flags & 4) != 0; }
};

// One node of a function's tree of inlined calls.
struct GoInlined {
  uint8_t id = 0;
  std::string_view name;
  int32_t parent_pc = 0;  // offset of the call from the function's entry
};

class GoPclntab {
 public:
  static constexpr uint32_t kMagic118 = 0xfffffff0, kMagic120 = 0xfffffff1;

  // kCorrupt: no such table; kUnsupported: another layout (older than Go 1.18, other word size).
  static Result<GoPclntab> parse(Bytes table);

  uint32_t magic() const { return x_magic; }
  uint64_t function_count() const { return x_count; }
  // What the header says; 0 in Go 1.26 and in position-independent files.
  uint64_t text_start() const { return x_text_start; }
  uint64_t function_names_offset() const { return x_names_offset; }

  // By index; nullopt: a damaged entry.
  std::optional<GoFunction> function(uint64_t index) const;
  // The function that covers `offset` from the start of text; nullopt: none does.
  std::optional<GoFunction> find(uint64_t offset) const;

  // The value of a pc table at `offset` from the start of text; nullopt: none, or damaged. -1 is a
  // value ("not inlined").
  std::optional<int32_t> value(const GoFunction& function, uint32_t table, uint64_t offset) const;
  // Depth of the stack below the return address; nullopt: not known.
  std::optional<int32_t> frame_size(const GoFunction& function, uint64_t offset) const {
    return value(function, function.frame_table, offset);
  }
  std::optional<uint32_t> line(const GoFunction& function, uint64_t offset) const;
  std::optional<std::string_view> file(const GoFunction& function, uint64_t offset) const;

  // The index in the inline tree at `offset`; nullopt: nothing is inlined there.
  std::optional<uint32_t> inline_index(const GoFunction& function, uint64_t offset) const;
  // The number of the map of live pointers at `offset`; 0 where the compiler notes none.
  uint32_t stack_map_index(const GoFunction& function, uint64_t offset) const;
  // Offset of one of the function's tables (FUNCDATA_…) from go:func.*; nullopt: it has none.
  std::optional<uint32_t> funcdata(const GoFunction& function, uint32_t table) const;
  // Offset of the function's inline tree from go:func.*; nullopt: it has none.
  std::optional<uint32_t> inline_tree(const GoFunction& function) const;
  // Node `index` of `tree` (bytes from the tree's start).
  std::optional<GoInlined> inlined(Bytes tree, uint32_t index) const;

 private:
  std::optional<std::string_view> name_at(int32_t offset) const;

  uint32_t x_magic = 0;
  uint64_t x_count = 0, x_text_start = 0, x_names_offset = 0;
  Bytes x_names, x_units, x_files, x_values, x_functions;
};

}  // namespace unclosed
