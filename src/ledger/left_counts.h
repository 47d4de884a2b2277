// LeftCounts: what ended processes had open at their end, while others went on, counted by how it
// was opened. A program that starts a process for each job has few such ways; beyond a bound new
// ones are counted as one, without a stack. One thread at a time.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <tuple>
#include <utility>
#include <vector>

#include "model/history.h"

namespace unclosed {

class LeftCounts {
 public:
  static constexpr size_t kMostWays = 1024, kMostVanished = 65536;

  // A process of which it is known what it had open when it ended.
  void ended(const ProcessId& process) { x_ended.insert(process); }
  // One that ran another program: what it inherited is not told of it.
  void executed(const ProcessId& process) { x_executed.insert(process); }
  const std::set<ProcessId>& executed() const { return x_executed; }
  // A connection is gone, and nobody was seen closing it.
  void vanished(const ConnectionFacts& facts, std::vector<Descriptor> descriptors);
  // All that have ended so far are known: what vanished with the last process that had it is
  // counted.
  void settle();
  // The most first.
  std::vector<LeftCount> all() const;

 private:
  void add(const ConnectionFacts& facts);

  std::set<ProcessId> x_ended, x_executed;
  std::vector<std::pair<ConnectionFacts, std::vector<Descriptor>>> x_vanished;
  std::map<std::tuple<StackId, Kind, Role>, LeftCount> x_counts;
};

}  // namespace unclosed
