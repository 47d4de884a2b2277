// One goroutine's traceback: scanned fast for what groups it (a hash of its functions and places,
// without arguments, offsets and numbers), or parsed whole. Both read the same grammar, so equal
// hashes mean equal parsed stacks. Text that was cut is read up to the cut and says so. Which
// frames are the user's own is decided elsewhere. Pure; any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "collect/pprof/trace_lines.h"
#include "model/goroutine.h"

namespace unclosed {

// What ended a traceback in the text.
enum class TraceEnd : uint8_t {
  kBlank,   // an empty line, which belongs to it
  kHeader,  // the next goroutine
  kOther,   // a line that is no part of a traceback
  kText,    // the text ended
};

struct TraceFacts {
  TraceHeader header;
  uint64_t key = 0;     // of state, stack and creator; never 0
  uint64_t parent = 0;  // 0: not told
  size_t size = 0;      // bytes of text that were read, with the empty line
  TraceEnd end = TraceEnd::kText;
  // Offset of the first line that lacks its other half (a function without its place): damage, or
  // the cut. nullopt: whole.
  std::optional<size_t> broken_at;
};
// `text` begins with a header's line; nullopt: it does not.
std::optional<TraceFacts> scan_trace(std::string_view text);

struct ParsedTrace {
  uint64_t id = 0;
  std::string state;
  std::optional<double> wait_seconds;  // at least; absent: under a minute
  bool locked_to_thread = false;
  bool leaked = false;            // the runtime's own detector found it (Go 1.26 and newer)
  std::vector<NamedFrame> stack;  // innermost first
  Truncation truncated = Truncation::kNone;
  std::optional<NamedFrame> created_by;
  uint64_t parent = 0;
  std::vector<std::vector<NamedFrame>> ancestors;
};
// The same of a whole block of lines; nullopt: it does not begin with a header. Of frames and bytes
// it keeps a bounded number.
std::optional<ParsedTrace> parse_trace(std::string_view text);

// A group of one.
GoroutineGroup group_of(ParsedTrace trace, uint64_t key);

// Mixes `text` into a hash; equal sequences of texts give equal hashes in every run and process.
uint64_t mix(uint64_t hash, std::string_view text);
inline uint64_t mix(uint64_t hash, uint64_t value) {
  __extension__ using Wide = unsigned __int128;
  const Wide product = static_cast<Wide>(hash ^ value ^ 0x9e3779b97f4a7c15) * 0xd6e8feb86659fd93;
  return static_cast<uint64_t>(product) ^ static_cast<uint64_t>(product >> 64);
}

}  // namespace unclosed
