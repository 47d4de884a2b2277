// All that one report says, whatever its format. Value type; any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "model/finding.h"
#include "model/left_open.h"
#include "model/process.h"
#include "model/stack.h"

namespace unclosed {

struct ProbeNote {
  std::string function;
  std::string why;
};

// How much was seen. What a number cannot include is said in its name or in `notes`.
struct Coverage {
  uint64_t opened = 0, closed = 0;  // since the attach, also those that no scan ever saw
  uint64_t open = 0;                // descriptors open now
  uint64_t traced = 0;              // of them: with a stack of their opening
  uint64_t before_attach = 0;       // of them: opened before the attach
  uint64_t events_lost = 0;
  uint64_t stacks_truncated = 0;  // among those of open connections
  uint64_t stacks_sampled_out = 0;
  // Opened since the attach and still open when the last process ended; nullopt: one is alive.
  std::optional<uint64_t> open_at_end;
  int64_t drift = 0;  // descriptors on which our table and /proc disagree, at the last scan
  std::vector<ProbeNote> probes;
  std::vector<std::string> notes;  // what was not seen, in sentences
};

// What looking cost: the targets pay for the stacks, the machine for the memory.
struct Cost {
  double attach_seconds =
      0;                     // until every hook was armed and proven, and older descriptors counted
  uint64_t stacks = 0;       // stacks taken
  double stack_seconds = 0;  // CPU time that the targets spent on them
  uint64_t kernel_bytes = 0;    // held by maps in the kernel
  uint64_t resident_bytes = 0;  // of this program, at its most
};

struct Report {
  std::vector<ProcessInfo> processes;
  uint64_t ended_children = 0;  // that are not among them
  WallClock clock;
  Instant started, ended;  // the window
  std::string rung;        // "bpf"
  Coverage coverage;
  std::optional<Cost> cost;  // nullopt: not measured, e.g. of a recording
  Judgement judgement;
  std::vector<LeftOpen> left_open;  // the places of `coverage.open_at_end`; empty: one is alive
  std::vector<LeftOpen> left_behind;  // what children that ended before the others had open then
  StackBook stacks;
  bool interrupted = false;  // ended early by Ctrl-C
};

}  // namespace unclosed
