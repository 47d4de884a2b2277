// The collector of the seccomp rung: records of a service that was started under the filter. What
// is open, and how it stands, is read from /proc and the kernel's lists of sockets; the calls tell
// who opened, sent, closed. It cannot know receives, which goroutine runs in a stripped binary, nor
// what 32-bit programs and io_uring do. One thread at a time.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "collect/polling/polling_collector.h"
#include "collect/procfs/procfs.h"
#include "collect/seccomp/supervisor.h"
#include "collect/seccomp/tracker.h"
#include "collect/seccomp/unwinder.h"
#include "model/code.h"
#include "model/record.h"

namespace unclosed {

class SeccompCollector {
 public:
  // Takes over the listener of a filter; calls are answered from now on. `code` must outlive it.
  static Result<SeccompCollector> start(Confined confined, SupervisorSettings settings,
                                        CodeSource& code, ProcFs proc);

  Status add_target(const ProcessId& process) { return x_polling.add_target(process); }
  // A process that has not called exec yet: what it has then it was given, and did not open.
  Status add_before_exec(const ProcessId& process);
  const std::vector<ProcessId>& targets() const { return x_polling.targets(); }
  bool ended() const { return x_polling.ended(); }

  // Waits, and takes in what was called since. A process that is about to end is looked at first.
  void poll(RecordSink& sink, Duration wait);
  Status scan(RecordSink& sink);
  const RawStack* stack(StackId id) const;

  uint64_t descriptors() const { return x_polling.descriptors(); }
  uint64_t opened() const { return x_tracker.opened(); }
  uint64_t closed() const {
    const uint64_t copies = x_tracker.copies_gone();
    const uint64_t all = x_polling.closed() + x_tracker.closed_unseen() + x_ended.with_child.size();
    return all - std::min(all, copies);
  }
  SupervisorCounts counts() const { return x_supervisor.counts(); }
  // What could not be seen, in sentences.
  std::vector<std::string> notes() const;

 private:
  class Merger;
  // What became of processes and of what they had inherited.
  struct Ended {
    std::map<ProcessId, uint64_t> at;  // by the look that missed them
    // Connections that ended with a child, whose opener lives on; the looks may show them a while.
    std::unordered_set<ConnectionId, ConnectionIdHash> with_child;
    std::set<ProcessId> looked_at;  // those that are about to end
    std::set<ProcessId> executed;   // that were about to run another program
    uint64_t look = 0, unseen = 0;
  };
  SeccompCollector(Supervisor supervisor, ToldCalls told, CodeSource& code, const ProcFs& proc);
  void take_in(RecordSink& sink);
  std::optional<ProcessId> process_of(uint32_t pid, RecordSink& sink);
  StackId keep(const ProcessId& process, const Call& call);

  Supervisor x_supervisor;
  ProcFs x_proc;
  PollingCollector x_polling;
  Unwinder x_unwinder;
  Tracker x_tracker;
  Ended x_ended;
  std::map<uint32_t, ProcessId> x_processes;
  std::unordered_map<StackId, RawStack> x_stacks;
  std::unordered_set<uint32_t> x_goroutines_told;  // processes, since the last look
  CallBatch x_batch;
  ToldCalls x_told;
  uint64_t x_lost_told = 0;
  Instant x_last_look;
};

}  // namespace unclosed
