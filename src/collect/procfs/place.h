// One process's directory under /proc, held open so that it never turns into another process's, and
// how the files in it are read. For this folder only. Any thread.
#pragma once

#include <sys/types.h>

#include <charconv>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "model/process.h"

namespace unclosed {

// The whole of `text` as a number.
template <class T>
std::optional<T> number(std::string_view text, int base = 10) {
  T value{};
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (failure != std::errc() || end != text.data() + text.size() || text.empty()) return {};
  return value;
}

// The next word of `rest`, which moves behind it.
std::string_view next_word(std::string_view& rest);

Result<std::string> read_at(int directory, const char* name, size_t cap = 64UL << 20);

// The entries of a directory that are decimal numbers, ascending.
Result<std::vector<int>> numbered_entries(int directory, const char* name);

struct ProcessStat {
  std::string comm;
  char state = '?';
  pid_t parent = 0;
  uint32_t flags = 0;
  int threads = 0;
  uint64_t start_ticks = 0;
};

// The directory of whoever has the number now.
struct ProcessPlace {
  Fd directory;
  ProcessStat stat;
};
Result<ProcessStat> parse_stat(std::string_view text);
Result<ProcessPlace> open_number(const std::string& root, pid_t pid);
// kGone when the number is another process's by now.
Result<ProcessPlace> open_process(const std::string& root, const ProcessId& process);

}  // namespace unclosed
