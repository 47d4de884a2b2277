// Records: single facts from a collector, in the order of their time as far as the collector knows
// it. The ledger folds them into histories; the same records give the same histories, so a verdict
// can be replayed.
//
// Truth lives in the kernel's tables: a collector scans them now and then, and between two scans it
// reports closes as they happen. A connection that is in no table at a scan and whose close was not
// reported is Vanished. Loss is a record.
//
// To add a record: 1. a struct here, 2. into Record, 3. a case in Ledger::accept, 4. a case in the
// recording's codec.
#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "model/connection.h"
#include "model/limit.h"
#include "model/process.h"

namespace unclosed {

// A scan of all descriptor tables begins; what follows up to ScanEnd was read in it.
struct ScanBegin {
  Instant at;
};

// A connection that was open at a scan, with all that is known of it, and every descriptor that
// refers to it.
struct Seen {
  Instant at;
  ConnectionFacts facts;
  std::vector<Descriptor> descriptors;
  std::vector<Copy> copies{};  // of `descriptors`, those of which it is known who made them
};

// Every connection of the targets has been named since ScanBegin. `opened_total` counts all
// openings since the attach, also those that were closed again before any scan.
struct ScanEnd {
  Instant at;
  uint64_t opened_total = 0, closed_total = 0;
};

// The last descriptor was closed at `at`; `closed_by` has the closing stack when one was taken.
struct Closed {
  Instant at;
  ConnectionFacts facts;
  Use closed_by;
  bool by_collector = false;  // its thread runs the finalizers of a virtual machine
};

// Closed at some moment between `after` and `before`; nobody saw it (exit, exec, another process's
// close, loss).
struct Vanished {
  Instant after, before;
  ConnectionId id;
};

// An attempt that gave no connection, counted by stack. `count` is the total since the attach.
enum class Attempt : uint8_t { kOpen, kSocket, kAccept, kConnect, kOther };
std::string_view to_string(Attempt attempt);
struct Failed {
  Instant last;
  ProcessId process;
  Attempt attempt = Attempt::kOther;
  int errno_value = 0;
  StackId stack = kNoStack;
  uint64_t count = 0;
  Endpoint peer;  // of a connect, when known
};

// Evidence we know we did not see, between two moments.
enum class LossReason : uint8_t {
  kRingFull,         // close events that found no place
  kTableFull,        // openings that found no place in the live table
  kStacksFull,       // stacks that found no place
  kStackUnreadable,  // stacks of which not even the first frame could be read
  kRaced,            // a descriptor changed while it was looked at
};
std::string_view to_string(LossReason reason);
struct Lost {
  Instant after, before;
  LossReason reason = LossReason::kRingFull;
  uint64_t count = 0;
};

struct ProcessSeen {
  Instant at;
  ProcessInfo info;
};
// `looked_at_end`: what was Seen of it last is what it had open when it ended. `executed`: it ran
// another program than it was forked with, which knew nothing of what it was given.
struct ProcessGone {
  Instant at;
  ProcessId id;
  bool looked_at_end = false, executed = false;
};

struct LimitSeen {
  Instant at;
  LimitUse limit;
};

using Record = std::variant<ScanBegin, Seen, ScanEnd, Closed, Vanished, Failed, Lost, ProcessSeen,
                            ProcessGone, LimitSeen>;

// Where a collector puts its records. One thread at a time.
class RecordSink {
 public:
  virtual ~RecordSink() = default;
  virtual void accept(const Record& record) = 0;
};

}  // namespace unclosed
