// The lines of Go's tracebacks, as every release from 1.11 on prints them for debug=2 profiles,
// panics and SIGQUIT: one line in, its parts out. Lines come without their prefix and line end;
// views only. It cannot know whether a line was printed by the runtime or by the service itself:
// what looks alike is taken. Pure; any thread.
//
//   goroutine 18 gp=0xc000002380 m=nil [IO wait (scan), 5 minutes, locked to thread]:   header
//   net/http.(*conn).serve(0xc0000b4000, {0x7a0, 0xc00})                                  function
//   	/usr/local/go/src/net/http/server.go:2092 +0x5ec fp=0x… sp=0x… pc=0x…               place
//   created by net/http.(*Server).Serve in goroutine 1                                    creator
//   [originating from goroutine 1]:                                                       origin
//   ...additional frames elided...                                                        elided
//   	goroutine running on other thread; stack unavailable unavailable
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace unclosed {

enum class TraceLine : uint8_t {
  kBlank,
  kHeader,
  kFunction,
  kBareFunction,  // a word: C code has no parentheses; only the place that follows makes it a frame
  kPlace,
  kCreator,
  kOrigin,
  kElided,
  kUnavailable,
  kOther,
};
TraceLine kind_of_line(std::string_view line);

struct TraceHeader {
  uint64_t id = 0;
  std::string_view state;  // without marks; "" is possible
  uint64_t wait_minutes = 0;
  bool locked = false, leaked = false;
};
// nullopt: no header, or one that was cut.
std::optional<TraceHeader> trace_header(std::string_view line);

// Of a function's line: the name without arguments.
std::string_view trace_function(std::string_view line);
// Of a place's line: "/src/main.go:12" without offset and registers.
std::string_view trace_place(std::string_view line);
// The file and the line of such a place; line 0 where it says none.
struct TracePlace {
  std::string_view file;
  uint32_t line = 0;
};
TracePlace split_place(std::string_view place);
// Whether a line holds a place, also one that lost its indentation: "main.go:12".
bool has_place(std::string_view line);

struct TraceCreator {
  std::string_view function;
  uint64_t parent = 0;  // 0: not told (before Go 1.21, and of ancestors)
};
// nullopt: the line does not begin with "created by ".
std::optional<TraceCreator> trace_creator(std::string_view line);
// The goroutine of "[originating from goroutine 7]:"; nullopt: another line.
std::optional<uint64_t> trace_origin(std::string_view line);

}  // namespace unclosed
