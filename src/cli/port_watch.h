// How many local ports lead to each destination, in the network namespaces of the targets, now and
// then: the host's sockets count, whoever holds them, and TIME_WAIT too. Which destinations are the
// targets' own is the judge's to say. One thread at a time.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/clock.h"
#include "collect/sockdiag/sockdiag.h"
#include "model/record.h"

namespace unclosed {

class PortWatch {
 public:
  // Reads, unless that was a moment ago or cost too much for that; kAtLast always.
  enum class When { kNowAndThen, kAtLast };
  void look(const std::vector<ProcessId>& targets, RecordSink& sink, When when);

 private:
  void read(const SockDiag& kernel, const ProcessId& target, RecordSink& sink);
  void leave(const ProcessId& gone, RecordSink& sink);

  std::map<ProcessId, std::optional<SockDiag>> x_kernels;  // the first process of each namespace
  std::set<uint64_t> x_namespaces;
  std::map<LimitKey, LimitUse> x_told;
  Instant x_next{};
};

}  // namespace unclosed
