// The descriptors of one process after the other, straight from the kernel's objects: a BPF
// iterator that keeps nothing and hooks nothing. It sees sockets of every network namespace, and
// those that no list of the kernel has; it does not tell paths of files. Any number of threads may
// list at a time.
#pragma once

#include <memory>

#include "base/result.h"
#include "collect/bpf/newer_features.h"
#include "model/listing.h"

namespace unclosed {

class ListingSide {
 public:
  // kDenied: CAP_BPF and CAP_PERFMON are missing. kUnsupported: no BTF, no BPF, or a kernel whose
  // iterator cannot be held to one process (before 6.1).
  static Result<ListingSide> load(Offer typed_reads = Offer::kWherePresent);
  ~ListingSide();
  ListingSide(ListingSide&&) noexcept;
  ListingSide& operator=(ListingSide&&) noexcept;

  // Puts the process's descriptors and the names of its unix sockets into `process`. kGone: no such
  // process any more.
  Status list(ListedProcess& process) const;

 private:
  struct State;
  explicit ListingSide(std::unique_ptr<State> state);
  std::unique_ptr<State> x_state;
};

}  // namespace unclosed
