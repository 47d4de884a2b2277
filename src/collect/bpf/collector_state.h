// What the collector of the bpf rung has between two calls. For collector.cc and collector_scan.cc
// alone; one thread at a time.
#pragma once

#include <map>
#include <set>
#include <unordered_map>
#include <unordered_set>

#include "collect/bpf/collector.h"
#include "collect/bpf/ended_tables.h"
#include "collect/bpf/handout_probes.h"
#include "collect/bpf/kept_stacks.h"
#include "collect/bpf/kernel_side.h"
#include "collect/bpf/older_sockets.h"
#include "collect/bpf/site_watch.h"
#include "collect/bpf/spaces.h"

namespace unclosed {

struct BpfCollector::State {
  State(KernelSide side, CodeSource& source, ProcFs fs, const KernelSideSettings& limits,
        bool with_probes)
      : kernel(std::move(side)),
        code(source),
        proc(std::move(fs)),
        spaces(kernel, code, limits),
        probes(kernel, code, with_probes),
        stacks(kernel, spaces, probes),
        settings(limits) {}

  struct Known {
    uint64_t generation = 0;
    uint32_t scan = 0;
  };

  KernelSide kernel;
  CodeSource& code;
  ProcFs proc;
  Spaces spaces;
  HandoutProbes probes;
  KeptStacks stacks;
  OlderSockets older;
  SiteWatch watch;
  KernelSideSettings settings;
  std::vector<ProcessId> targets;
  std::map<uint32_t, ProcessId> process_of;  // every tgid that ever was a target
  std::unordered_set<uint32_t> scanned_once;
  std::set<ProcessId> of_32_bits;
  std::unordered_set<uint32_t> executed;  // tgids that ran another program, since they were forked
  EndedTables left;  // of processes that ended since the scan before last
  static constexpr size_t kMostOthers = 1024;
  std::vector<Descriptor> others;             // of no kind that is told apart, at the last scan
  std::unordered_map<uint64_t, Known> known;  // records seen, by the address of their file
  uint32_t scans = 0;
  uint64_t stacks_dropped = 0;
  bool rescan = false;
  bool ended = false;
  Instant last_scan{};
  uint64_t ring_lost_before = 0, table_lost_before = 0, stacks_lost_before = 0;
  uint64_t most_unplaced = 0;
  BpfCoverage last;

  Status install(const ProcessId& process);
  void follow(uint32_t tgid, uint32_t parent, RecordSink& sink);
  void on_event(std::span<const std::byte> bytes, RecordSink& sink);
  void on_closed(const uc_event_closed& event, const uc_handed* handed, RecordSink& sink);
  void on_stack(const uc_event_stack& event);
  ConnectionFacts facts(const uc_record& record, const uc_handed* handed, const uc_row* row) const;
  void sweep(RecordSink& sink);
  void tell_failures(RecordSink& sink);
  void tell_losses(RecordSink& sink, Instant now);
  void tell_ended(RecordSink& sink, Instant now);
  void tell_in_transit(RecordSink& sink, Instant began);
  void reap_unseen(Instant began, RecordSink& sink);
  void note_unused(const uc_record& record);
  void make_room_for_stacks();
  Seen left_open(Instant at, const uc_record& record, const uc_handed* handed,
                 const std::vector<Descriptor>& held);
  void tell_the_dead(RecordSink& sink);
  Status scan_target(const ProcessId& target, RecordSink& sink,
                     std::unordered_map<uint64_t, Seen>& shared);
  ProcessId process_under(uint32_t tgid) const;
  uint64_t lost_stacks() const;
};

}  // namespace unclosed
