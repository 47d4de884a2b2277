// The stacks of targets, kept in user space: those that the kernel side walked, and those that it
// sent as a copy to be walked here. Copies come each with an id of its own; equal ones are known by
// the first one's. It cannot name a frame whose code was unmapped before it was looked at. One
// thread at a time.
#pragma once

#include <functional>
#include <map>
#include <unordered_map>

#include "base/clock.h"
#include "collect/bpf/handout_probes.h"
#include "collect/bpf/kernel_side.h"
#include "collect/bpf/spaces.h"
#include "model/stack.h"

namespace unclosed {

class KeptStacks {
 public:
  KeptStacks(const KernelSide& kernel, Spaces& spaces, HandoutProbes& probes)
      : x_kernel(kernel), x_spaces(spaces), x_probes(probes) {}

  // Keeps a stack that the kernel side knows; nothing where it does not, or where it is kept.
  void keep(StackId id);
  // All stacks of a record, and of what probed functions told of it (null: nothing).
  void keep(const uc_record& record, const uc_handed* handed);
  // Walks a copy. Where some of its code is not known, `look_again` makes the walker know the
  // process's code as mapped now.
  using LookAgain = std::function<Status(const ProcessId&)>;
  void take_copy(const ProcessId& process, const uc_event_stack& copy, const LookAgain& look_again);

  // The id under which a stack is kept: for a copy, the first equal one's.
  StackId settled(StackId id) const;
  // nullptr: never taken, or lost.
  const RawStack* find(StackId id) const;

 private:
  // When to look again at the code of a process whose stacks pass through unknown code; later and
  // later while that does not help.
  struct NextLook {
    Instant at{};
    Duration pause = std::chrono::milliseconds(100);
  };

  const KernelSide& x_kernel;
  Spaces& x_spaces;
  HandoutProbes& x_probes;
  std::unordered_map<StackId, RawStack> x_stacks;
  std::unordered_map<StackId, StackId> x_copies;
  std::unordered_map<uint64_t, StackId> x_copy_by_content;
  std::map<ProcessId, NextLook> x_next_looks;
};

}  // namespace unclosed
