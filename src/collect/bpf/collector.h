// The collector of the bpf rung: targets in, records out.
// Truth is the kernel's own tables of descriptors, which scan() reads; poll() brings the closes
// between two scans. It cannot see how a connection was opened before the attach or by io_uring,
// and says so in each record. Everything it put into the kernel goes with it, also when the program
// is killed. One thread at a time.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "collect/bpf/entry_probe.h"
#include "collect/bpf/newer_features.h"
#include "collect/procfs/procfs.h"
#include "model/code.h"
#include "model/record.h"
#include "model/stack.h"

namespace unclosed {

struct BpfSettings {
  uint32_t most_connections = 262144;
  // Places in the kernel's other tables, and bytes of the ring: what is beyond is counted as lost.
  uint32_t most_stacks = 8192, most_targets = 4096, most_failures = 4096, ring_bytes = 8U << 20;
  NewerFeatures newer;
  // The share of one core that all stacks together may take; beyond it they are sampled. Zero: all
  // are taken.
  double stack_budget = 0.02;
  EntryProbes entry_probes = EntryProbes::kMulti;  // where this kernel has them
  bool probes = true;  // entry probes on hand-out functions, where stacks ask for them
};

// A function whose call tells who has a connection, asked for by what was seen of the targets.
struct HandoutProbe {
  std::string function, why;
  bool gives = true;     // a hand-out; else it takes back
  bool armed = false;    // in at least one target
  std::string obstacle;  // why not, where it is not in all
};

// Sums since the attach, and what is known of the last scan.
struct BpfCoverage {
  uint64_t opened = 0, closed = 0;
  uint64_t events_lost = 0;
  uint64_t unplaced = 0;  // open at the last scan without a place: listed, without a history
  uint64_t failures_lost = 0, children_lost = 0;
  uint64_t stacks_taken = 0, stacks_lost = 0, stacks_sampled_out = 0;
  Duration stack_time{};     // spent taking stacks, over all CPUs
  uint64_t descriptors = 0;  // open at the last scan
  int64_t drift = 0;         // of the last scan against /proc
  uint32_t modules_without_tables = 0;
  uint64_t map_bytes = 0;
  uint64_t direct_descriptors = 0;    // files in tables of io_uring: in none that a scan reads
  std::vector<ProcessId> of_32_bits;  // targets whose openings and uses no hook sees
  std::vector<std::string> missing_hooks;
  std::vector<HandoutProbe> probes;
  uint64_t handouts = 0, handouts_missed = 0;  // calls of probed functions; without a socket
};

class BpfCollector {
 public:
  // Loads and attaches, and proves every hook on this process itself. `code` must outlive the
  // collector. kDenied, kUnsupported: as said in the error, with its id. kSystem with UC-E007: the
  // self-test saw a hook missing.
  static Result<BpfCollector> open(const BpfSettings& settings, CodeSource& code, ProcFs proc);
  ~BpfCollector();
  BpfCollector(BpfCollector&&) noexcept;
  BpfCollector& operator=(BpfCollector&&) noexcept;

  // From now on openings of the process are seen; what is open already comes with its first scan,
  // as before_attach. Children that it forks later become targets by themselves.
  Status add_target(const ProcessId& process);
  // The same for a process that has not called exec yet: its code is read when it has.
  Status add_before_exec(const ProcessId& process);
  // Targets that were alive at the last look, the ones followed by themselves included.
  const std::vector<ProcessId>& targets() const;
  // True when every target has ended. The last scan then told what they had open at their end.
  bool ended() const;

  // Hands over what happened, after waiting for at most `wait` when nothing is there yet; answers
  // how many events there were.
  size_t poll(RecordSink& sink, Duration wait);
  // Reads all descriptor tables of all targets. A target that is gone gives ProcessGone.
  Status scan(RecordSink& sink);

  // The stack behind an id that a record carried; nullptr when it was lost.
  const RawStack* stack(StackId id) const;
  BpfCoverage coverage() const;

 private:
  struct State;
  explicit BpfCollector(std::unique_ptr<State> state);
  std::unique_ptr<State> x_state;
};

}  // namespace unclosed
