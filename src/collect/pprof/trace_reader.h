// Goroutines from lines, one after the other, as a log gives them once its prefixes are taken away.
// Lines that are no part of a traceback may stand between: they are left to the caller. The same
// grammar as of whole dumps (trace.h). Memory is bounded. One thread at a time.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "collect/pprof/stack_table.h"

namespace unclosed {

class TraceReader {
 public:
  enum class Took : uint8_t {
    kNothing,  // no part of a traceback: the caller's
    kLine,     // part of the goroutine that is being read
    kBegin,    // the header of another goroutine
  };
  Took line(std::string_view line);
  // No more lines.
  void finish() { close(); }

  // Inside of a goroutine's traceback, as far as lines tell.
  bool open() const { return !x_text.empty(); }
  // How many were read to their end, and the lines of the last of these: for parse_trace().
  uint64_t read() const { return x_table.goroutines(); }
  const std::string& last() const { return x_last; }

  // After finish().
  StackTable::Groups groups() const;

 private:
  void close();
  void append(std::string_view line, std::string_view indent = {});

  StackTable x_table;
  std::string x_text, x_last, x_bare;
  std::vector<std::string> x_kept;  // the text of the first of each kind
  size_t x_kept_bytes = 0;
  size_t x_strangers = 0;  // lines since the last that was part of it
  bool x_wants_place = false;
};

}  // namespace unclosed
