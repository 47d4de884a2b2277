// EndedTables: the tables of descriptors of processes that have ended, as they were when they did,
// by the kernel's files. It cannot know what became of a file that somebody else still had: a later
// scan tells. One thread at a time.
#pragma once

#include <cstdint>
#include <unordered_map>
#include <vector>

#include "collect/bpf/descriptors_intf.h"
#include "model/connection.h"

namespace unclosed {

class EndedTables {
 public:
  // `process`: whose table it was.
  void note(const uc_event_left& event, const ProcessId& process);
  // The numbers under which a process that ended with this file had it: the one that opened it, if
  // that did, else the last; nullptr: none did.
  const std::vector<Descriptor>* of(uint64_t file, uint64_t generation, uint32_t opener) const;
  // What ended before a scan began has been told of by it.
  void forget_before(Instant scan_began);

 private:
  struct Left {
    uint64_t generation = 0;
    Instant at;
    std::vector<std::vector<Descriptor>> processes;  // in the order of their ends
  };
  std::unordered_map<uint64_t, Left> x_files;  // by their address
};

}  // namespace unclosed
