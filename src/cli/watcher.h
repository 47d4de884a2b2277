// What a session watches its targets with: the bpf rung, or the proc rung where there is no
// privilege for it. One thread at a time.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "collect/bpf/collector.h"
#include "collect/procfs/procfs.h"
#include "collect/seccomp/filter.h"
#include "model/record.h"

namespace unclosed {

class Watcher {
 public:
  virtual ~Watcher() = default;
  virtual std::string rung() const = 0;
  virtual Status add_target(const ProcessId& process) = 0;
  // A process that has not called exec yet.
  virtual Status add_before_exec(const ProcessId& process) = 0;
  virtual const std::vector<ProcessId>& targets() const = 0;
  virtual bool ended() const = 0;
  virtual void poll(RecordSink& sink, Duration wait) = 0;
  virtual Status scan(RecordSink& sink) = 0;
  virtual const RawStack* stack(StackId id) const = 0;
  virtual BpfCoverage coverage() const = 0;
  // What this rung does not see, and what would; empty where it sees all.
  virtual std::vector<std::string> notes() const = 0;
};

// The bpf rung; where that is not permitted or not possible here, the next best: the seccomp rung
// for a command that waits to be started, the proc rung for what runs already (`confine` is empty)
// or may not be put under a filter. `confine` puts it there and answers its listener. Errors as of
// BpfCollector::open, with UC-E019 where a command that is confined
// already cannot be watched.
Result<std::shared_ptr<Watcher>> open_watcher(const BpfSettings& settings, CodeSource& code,
                                              const ProcFs& proc,
                                              const std::function<Result<Confined>()>& confine);

}  // namespace unclosed
