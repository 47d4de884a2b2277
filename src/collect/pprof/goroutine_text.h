// A dump of goroutines as text (debug=2 of net/http/pprof, a panic's or SIGQUIT's output) read from
// its source in pieces by several threads, and grouped. What is damaged is skipped, what was cut is
// read up to the cut, and where is said. It cannot know goroutines that the dump left out.
#pragma once

#include <cstdint>
#include <optional>

#include "base/result.h"
#include "collect/pprof/byte_source.h"
#include "collect/pprof/stack_table.h"

namespace unclosed {

struct TextDump {
  StackTable table;
  std::optional<uint64_t> damaged_at;  // the first byte that could not be read as it should
};

struct TextDumpSettings {
  size_t piece = size_t{4} << 20;
  unsigned threads = 0;  // 0: as many as there are cores, at most four
};
// kSystem: the source could not be read.
Result<TextDump> read_goroutine_text(const ByteSource& source,
                                     const TextDumpSettings& settings = {});

}  // namespace unclosed
