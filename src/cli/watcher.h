// What a session watches its targets with: the bpf rung, or the proc rung where there is no
// privilege for it. One thread at a time.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "collect/bpf/collector.h"
#include "collect/procfs/procfs.h"
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

enum class RungChoice : uint8_t { kBpfAlone, kFallToProc };
// kFallToProc: the proc rung where the bpf rung is not permitted or not possible here. Errors as of
// BpfCollector::open.
Result<std::shared_ptr<Watcher>> open_watcher(RungChoice choice, const BpfSettings& settings,
                                              CodeSource& code, const ProcFs& proc);

}  // namespace unclosed
