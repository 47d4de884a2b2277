// Which closes a virtual machine's collector of garbage made: Java and .NET run finalizers on
// threads that have a name for it, and of their stacks only the native part can be read. Stands
// between a collector of records and the ledger. It cannot know the name of a thread that is gone
// by the time its close is read: such a close is taken for the service's own. One thread at a time.
#pragma once

#include <unordered_map>

#include "collect/procfs/procfs.h"
#include "model/record.h"

namespace unclosed {

// Whether a thread of this name (as the kernel cuts it, 15 bytes) closes what nobody refers to any
// more: of the machine itself, or of a database driver.
bool runs_finalizers(std::string_view name);

class CollectorThreads final : public RecordSink {
 public:
  // Both outlive this.
  CollectorThreads(const ProcFs& proc, RecordSink& next) : x_proc(proc), x_next(next) {}
  // Hands on every record; of a Closed with `by_collector` as found.
  void accept(const Record& record) override;

 private:
  bool is_collector(const Closed& closed);

  const ProcFs& x_proc;
  RecordSink& x_next;
  std::unordered_map<uint32_t, bool> x_known;  // by thread; bounded
  Instant x_second{};                          // of the closes, in which `x_looked` were looked up
  int x_looked = 0;
};

}  // namespace unclosed
