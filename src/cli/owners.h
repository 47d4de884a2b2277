// Whom the connections of Go processes belong to, read from their memory: the goroutine that used
// one last, those that wait on it, and what still refers to it. Nothing is stopped or written.
// Processes of other runtimes, and those that may not be read, are left out; `notes` says of the
// latter. One thread at a time.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "collect/golang/go_process.h"
#include "collect/golang/goroutine_reader.h"
#include "model/history.h"
#include "symbolize/module_store.h"
#include "symbolize/symbolizer.h"

namespace unclosed {

class Owners {
 public:
  // Both must outlive it.
  Owners(ModuleStore& modules, Symbolizer& symbolizer)
      : x_modules(modules), x_symbolizer(symbolizer) {}

  // Notes where the goroutines wait, so that a later call knows of those that have not moved since.
  // The runtime itself knows since when only after a collection.
  void look(const std::map<ProcessId, ProcessInfo>& processes, Instant now);

  // Whose owners are told. What refers to a connection is looked for in the whole heap, so only of
  // those that a finding is about, or that nobody seems to await an answer on.
  struct Asked {
    std::set<ConnectionId> connections, found;
    Duration settled{};  // idle for longer: left alone
  };
  // The owners of connections, to be judged again with.
  void tell(Histories& histories, const Asked& asked);

  const std::vector<std::string>& notes() const { return x_notes; }

 private:
  struct Place {
    uint64_t pc = 0, sp = 0;
    Instant since;
  };
  void note(const ProcessId& process, const GoroutineList& list, Instant now);
  Status tell_of(GoProcess& process, Histories& histories,
                 const std::vector<const History*>& connections, const Asked& asked);

  ModuleStore& x_modules;
  Symbolizer& x_symbolizer;
  std::map<ProcessId, std::unordered_map<uint64_t, Place>> x_places;
  std::vector<std::string> x_notes;
};

}  // namespace unclosed
