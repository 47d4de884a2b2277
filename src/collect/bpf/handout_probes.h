// HandoutProbes: entry probes on library functions that hand a connection to their caller. By need:
// a function is asked for when a stack shows its library dialling or sending by itself; then it is
// probed in each target that holds it, and the probe goes when the target or this object does, when
// the target takes a fault, and, where it only tells a habit, when enough was seen. At
// most UC_HANDOUTS functions at a time. Never probes on return: those crash Go programs. One thread
// at a time.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "collect/bpf/collector.h"
#include "collect/bpf/kernel_side.h"
#include "model/code.h"

namespace unclosed {

class HandoutProbes {
 public:
  // Not `allowed`: only tells what would be probed.
  HandoutProbes(KernelSide& kernel, CodeSource& code, bool allowed)
      : x_kernel(kernel), x_code(code), x_allowed(allowed) {}

  // Whether a library of the table does its work on this stack.
  void look_at(const RawStack& stack);
  // Probes what stacks asked for so far, where `process` holds it and it is not probed yet.
  void arm(const ProcessId& process, const ProcFs& proc);
  // The process took a fault: it has no probes any more, and gets none.
  void stop(const ProcessId& process, int signal);
  // The process has ended, or runs another program.
  void forget(const ProcessId& process);
  // Everything that was asked for, by function.
  std::vector<HandoutProbe> asked_for() const;

 private:
  using Function = std::pair<ModuleId, size_t>;  // place in ModuleCode::handouts
  void drop_the_known();
  void arm_one(const ProcessId& process, const Mapping& mapping, uint64_t bias,
               const Function& function);
  Result<Fd> attach(const ProcessId& process, const Mapping& mapping, uint64_t bias,
                    const Function& function);

  KernelSide& x_kernel;
  CodeSource& x_code;
  bool x_allowed;
  std::map<Function, HandoutProbe> x_asked;
  std::map<Function, uint32_t> x_cookies;
  std::map<ProcessId, std::map<Function, Fd>> x_armed;  // an empty Fd: refused, or not needed now
  std::set<ProcessId> x_stopped;
  Fd x_faults;  // while there is a probe
};

}  // namespace unclosed
