// The kernel side as an object: loaded, attached, scanned, taken down again by its destructor.
// It knows maps, links and bytes of descriptors_intf.h, and nothing of what they mean. One thread
// at a time.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/fd.h"
#include "base/result.h"
#include "collect/bpf/descriptors_intf.h"
#include "collect/bpf/entry_probe.h"
#include "collect/bpf/newer_features.h"

namespace unclosed {

enum class Watch { kNo, kYes };

struct KernelSideSettings {
  NewerFeatures newer;
  EntryProbes entry_probes = EntryProbes::kMulti;  // where this kernel has them
  uint32_t most_connections = 262144;
  uint32_t most_stacks = 8192;
  uint32_t most_targets = 4096;
  uint32_t most_failures = 4096;
  uint32_t most_rows = 1U << 20;
  uint32_t most_blocks = 1U << 19;
  uint32_t most_spaces = 128;
  uint32_t ring_bytes = 8U << 20;
  Duration stack_budget{};  // time of all stacks together in each second; zero: no bound
  Duration unasked_gap = std::chrono::milliseconds(250);
};

class KernelSide {
 public:
  // Loads and attaches every hook. kDenied: capabilities are missing. kUnsupported: this kernel has
  // no BTF, no BPF, or lacks a hook that nothing replaces. Hooks that are missing but only take
  // away a fact are named in missing().
  static Result<KernelSide> load(const KernelSideSettings& settings);
  ~KernelSide();
  KernelSide(KernelSide&&) noexcept;
  KernelSide& operator=(KernelSide&&) noexcept;

  const std::vector<std::string>& missing() const;

  Status put_target(uint32_t tgid, const uc_target& target);
  void remove_target(uint32_t tgid);
  Status put_space(uint32_t index, const uc_space& space);
  // The rows and blocks of unwinding tables, mapped while `fill` runs (resident memory otherwise);
  // writes are seen by the walker at once.
  Status edit_tables(
      const std::function<void(std::span<uint64_t> rows, std::span<uint64_t> blocks)>& fill);

  // What a probe with this cookie reads.
  Status put_handout(uint32_t cookie, const uc_handout& handout);
  // The probe goes with the answer. kUnsupported: this kernel has no such probes.
  Result<Fd> attach_handout(const EntryProbeAt& where) const;
  // How many calls of it led to a socket so far.
  uint64_t handouts_noted(uint32_t cookie) const;
  // As long as the answer lives, a fault of a target stops its probes, and is an event of the ring.
  Result<Fd> watch_faults() const;

  // Calls `row` for each descriptor of `tgid` (all targets when 0). kGone: no such process any
  // more.
  Status scan(uint32_t tgid, bool baseline,
              const std::function<void(const uc_row&, const uc_record&, const uc_handed*)>& row);
  // Descriptors of the last scan that found no place in the table of records.
  uint64_t unplaced() const;
  // Calls `event` for everything in the ring.
  void drain(const std::function<void(std::span<const std::byte>)>& event);
  // Waits until the ring has a process event, or until the time is over.
  void wait(Duration most);

  // Whether every stack of this site of the budget is taken.
  void watch_site(uint32_t site, Watch watch);

  std::optional<uc_stack> stack(uint64_t id) const;
  // Takes out the stacks that `known` says are kept elsewhere; answers how many went. An id is a
  // hash of the addresses: a stack that is met again comes back under the same one.
  size_t drop_copied(const std::function<bool(uint64_t)>& known);
  // The record of `file`; nullopt: there is none.
  std::optional<uc_record> record(uint64_t file) const;
  // What probed functions told of it.
  std::optional<uc_handed> handed(const uc_record& record) const;
  // Who made that number last as a further one of a file, which it may be no longer; nullopt:
  // nobody was seen.
  std::optional<uc_copy> copy(uint32_t tgid, uint32_t fd) const;
  // Every record in the table; with what probed functions told of it, or null.
  void each_record(const std::function<void(const uc_record&, const uc_handed*)>& record) const;
  // Takes out the record of `file` if it is still that generation and did not change hands since
  // the scan began that did not find it.
  void reap(uint64_t file, uint64_t generation, Instant scan_began);
  void each_failure(
      const std::function<void(const uc_failure_key&, const uc_failure&)>& failure) const;
  uint64_t counter(uc_counter which) const;
  // Starts all counters anew.
  void zero_counters();

  // Bytes of kernel memory that the maps hold now, as the kernel accounts them.
  uint64_t map_bytes() const;

 private:
  struct State;
  explicit KernelSide(std::unique_ptr<State> state);
  std::unique_ptr<State> x_state;
};

}  // namespace unclosed
