// Times of the sockets that were open before the attach: when data was last sent and received on
// them, as TCP_INFO told at the first scan of their process. Nobody saw what was said; only that
// it was, and when. One thread at a time.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <unordered_map>

#include "model/connection.h"

namespace unclosed {

class OlderSockets {
 public:
  // Asks for all sockets of the process's network namespace, once for each namespace. What cannot
  // be asked is left unknown: idle times then count from the attach.
  void learn(const ProcessId& process);
  // Fills the times of a connection from before the attach that were not seen since.
  void complete(ConnectionFacts& facts) const;

 private:
  struct Times {
    std::optional<Instant> sent, received;
  };
  std::set<uint64_t> x_namespaces;
  std::unordered_map<uint64_t, Times> x_times;  // by inode
};

}  // namespace unclosed
