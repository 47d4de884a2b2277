// LogReader: one log, fed in pieces of any size, read once with bounded memory: errors that tell of
// connections, counters of pools, leaks that pools report, deaths and dumps of goroutines, in the
// lines of each writer apart. It cannot know what was rotated away, and takes words of a driver for
// the driver's whoever wrote them. What is damaged or cut is read up to there. One thread at a
// time.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "collect/log/go_dump.h"
#include "collect/log/java_stacks.h"
#include "collect/log/line_cleaner.h"
#include "collect/log/phrases.h"
#include "model/trouble.h"

namespace unclosed {

class LogReader {
 public:
  // `source` names the log in what is told of it.
  explicit LogReader(std::string source);

  void feed(std::string_view bytes);
  // Once, after the last piece.
  Account finish();
  // After finish(): the dump of the account with what it takes to compare it with another.
  const std::optional<Captured>& dump() const { return x_dump; }

 private:
  void raw_line(std::string_view line);
  void clean_line(const CleanLine& line);
  void count(const Phrase& phrase, const CleanLine& line);
  void count_caught(const GoDump::Seen& seen);
  void add_pool(PoolSample sample, uint64_t line);
  void pools_of(const CleanLine& line);
  void take_dumps();
  std::optional<std::string> other_writers(const GoDump::Seen& told) const;

  Account x_account;
  std::string x_rest;   // of a line whose end was not fed yet
  bool x_skip = false;  // the rest of a line that is too long
  uint64_t x_cut_lines = 0;
  LineCleaner x_cleaner;
  JavaStacks x_java;
  std::map<uint32_t, GoDump> x_dumps;  // by stream
  std::optional<Captured> x_dump;
  std::array<LogError, kTroubles> x_errors;
};

}  // namespace unclosed
