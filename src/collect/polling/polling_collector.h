// The collector of the proc rung: targets in, records out, by looking again and again. It cannot
// know who opened or used a connection (no stacks), what came and went between two looks, nor
// whether two files of one name are one, but for what a child has from its parent. Nothing is put
// into the kernel. One thread at a time.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "collect/procfs/descriptor_table.h"
#include "collect/procfs/procfs.h"
#include "collect/sockdiag/sockdiag.h"
#include "model/record.h"

namespace unclosed {

class PollingCollector {
 public:
  explicit PollingCollector(ProcFs proc) : x_proc(std::move(proc)) {}

  // kDenied: its descriptors may not be read. What is open now comes with the first scan, as
  // before_attach. Its later children become targets by themselves.
  Status add_target(const ProcessId& process);
  // A process that has not called exec yet: before_attach is what exec leaves it, and nothing else.
  Status add_before_exec(const ProcessId& process);
  // What that left; empty where none was added so.
  const std::vector<ListedDescriptor>& inherited() const { return x_inherited; }
  const std::vector<ProcessId>& targets() const { return x_targets; }
  bool ended() const { return x_targets.empty(); }

  // One look at all targets. A target that is gone gives ProcessGone.
  Status scan(RecordSink& sink);

  uint64_t descriptors() const { return x_descriptors; }
  uint64_t opened() const { return x_opened; }  // seen to have come since the attach
  uint64_t closed() const { return x_closed; }
  // What could not be seen, in sentences.
  std::vector<std::string> notes() const;

 private:
  // What is known of one connection; by socket inode, or for as long as a number is open on it.
  struct Known {
    ConnectionFacts facts;
    std::vector<Descriptor> descriptors;
    std::string link;
    uint64_t scan = 0;
  };
  struct Key {
    uint64_t object = 0, place = 0;
    auto operator<=>(const Key&) const = default;
  };
  // What a number that is no socket's was open on when last looked at.
  struct Place {
    Key key;
    std::optional<Key> before;  // at the same look: what it was open on at the one before
    uint64_t scan = 0;
  };
  // The sockets of one network namespace at this look.
  struct Sockets {
    std::unordered_map<uint64_t, SocketFact> by_inode;
    std::map<uint16_t, bool> listening;
    bool known = false;
  };

  // kFading: its first thread has ended, others go on; what it had is taken for what it has.
  enum class Look : uint8_t { kAlive, kFading, kEnded };
  Look look(const ProcessId& process, RecordSink& sink);
  Look without_table(const ProcessId& process) const;
  bool fading(const Known& known) const;
  Sockets& sockets_of(const ProcessId& process);
  bool from_before(const ListedDescriptor& one) const;
  static bool same_file(const Known& known, const ListedDescriptor& one, const std::string& link);
  std::optional<Key> inherited(const Descriptor& place, const ListedDescriptor& one,
                               const std::string& link) const;
  Key key_at(const Descriptor& place, const ListedDescriptor& one, const std::string& link);
  void take(const ProcessId& process, const ListedDescriptor& one, const std::string& link,
            const Sockets& sockets);
  void learn(ConnectionFacts& facts, const SocketFact* fact, const Sockets& sockets) const;
  void follow_children(RecordSink& sink);
  bool ended_just_now(const Known& known) const;

  ProcFs x_proc;
  std::vector<ProcessId> x_targets;
  std::vector<ListedDescriptor> x_inherited;
  bool x_from_exec = false;  // x_inherited is known
  std::map<Key, Known> x_known;
  std::map<Descriptor, Place> x_places;
  std::set<ProcessId> x_looked_at;    // before: what they get from now on is not inherited
  std::optional<ProcessId> x_parent;  // of the process looked at, when that is for the first time
  std::map<uint64_t, Sockets> x_sockets;  // of this look, by namespace
  // Children of the targets from before the first of them was added. Later ones are known by not
  // being among these: the times at which processes start are told in ticks, too coarse for that.
  std::set<ProcessId> x_strangers;
  std::map<ProcessId, Instant> x_ended;  // when each was missed first
  std::set<ProcessId> x_fading;          // at this look
  std::map<std::string, bool> x_notes;
  Instant x_now, x_last, x_added;
  uint64_t x_scans = 0, x_generation = 0, x_descriptors = 0, x_opened = 0, x_closed = 0;
};

}  // namespace unclosed
