#include "collect/bpf/collector.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <set>
#include <unordered_set>

#include "collect/bpf/blind_spots.h"
#include "collect/bpf/convert.h"
#include "collect/bpf/ended_tables.h"
#include "collect/bpf/handout_probes.h"
#include "collect/bpf/kept_stacks.h"
#include "collect/bpf/kernel_side.h"
#include "collect/bpf/older_sockets.h"
#include "collect/bpf/self_check.h"
#include "collect/bpf/site_watch.h"
#include "collect/bpf/spaces.h"

namespace unclosed {

struct BpfCollector::State {
  State(KernelSide side, CodeSource& source, ProcFs fs, const KernelSideSettings& limits,
        bool with_probes)
      : kernel(std::move(side)),
        code(source),
        proc(std::move(fs)),
        spaces(kernel, code, limits),
        probes(kernel, code, with_probes),
        stacks(kernel, spaces, probes),
        settings(limits) {}

  struct Known {
    uint64_t generation = 0;
    uint32_t scan = 0;
  };

  KernelSide kernel;
  CodeSource& code;
  ProcFs proc;
  Spaces spaces;
  HandoutProbes probes;
  KeptStacks stacks;
  OlderSockets older;
  SiteWatch watch;
  KernelSideSettings settings;
  std::vector<ProcessId> targets;
  std::map<uint32_t, ProcessId> process_of;  // every tgid that ever was a target
  std::unordered_set<uint32_t> scanned_once;
  std::set<ProcessId> of_32_bits;
  EndedTables left;  // of processes that ended since the scan before last
  static constexpr size_t kMostOthers = 1024;
  std::vector<Descriptor> others;             // of no kind that is told apart, at the last scan
  std::unordered_map<uint64_t, Known> known;  // records seen, by the address of their file
  uint32_t scans = 0;
  uint64_t stacks_dropped = 0;
  bool rescan = false;
  bool ended = false;
  Instant last_scan{};
  uint64_t ring_lost_before = 0, table_lost_before = 0, stacks_lost_before = 0;
  uint64_t most_unplaced = 0;
  BpfCoverage last;

  Status install(const ProcessId& process);
  void follow(uint32_t tgid, uint32_t parent, RecordSink& sink);
  void on_event(std::span<const std::byte> bytes, RecordSink& sink);
  void on_closed(const uc_event_closed& event, const uc_handed* handed, RecordSink& sink);
  void on_stack(const uc_event_stack& event);
  ConnectionFacts facts(const uc_record& record, const uc_handed* handed, const uc_row* row) const;
  void sweep(RecordSink& sink);
  void tell_failures(RecordSink& sink);
  void tell_losses(RecordSink& sink, Instant now);
  void tell_ended(RecordSink& sink, Instant now);
  void tell_in_transit(RecordSink& sink, Instant began);
  void reap_unseen(Instant began);
  void note_unused(const uc_record& record);
  void make_room_for_stacks();
  void tell_the_dead(RecordSink& sink);
  Status scan_target(const ProcessId& target, RecordSink& sink,
                     std::unordered_map<uint64_t, Seen>& shared);
  ProcessId process_under(uint32_t tgid) const;
  uint64_t lost_stacks() const;
};

BpfCollector::BpfCollector(std::unique_ptr<State> state) : x_state(std::move(state)) {}
BpfCollector::~BpfCollector() = default;
BpfCollector::BpfCollector(BpfCollector&&) noexcept = default;
BpfCollector& BpfCollector::operator=(BpfCollector&&) noexcept = default;

Result<BpfCollector> BpfCollector::open(const BpfSettings& settings, CodeSource& code,
                                        ProcFs proc) {
  KernelSideSettings limits;
  limits.most_connections = settings.most_connections;
  limits.most_stacks = settings.most_stacks;
  limits.most_targets = settings.most_targets;
  limits.most_failures = settings.most_failures;
  limits.ring_bytes = settings.ring_bytes;
  limits.newer = settings.newer;
  limits.stack_budget = from_seconds(settings.stack_budget);
  limits.entry_probes = settings.entry_probes;
  auto kernel = KernelSide::load(limits);
  if (!kernel) return kernel.error();
  if (auto proven = self_check(*kernel); !proven) return proven.error();
  return BpfCollector(
      std::make_unique<State>(*std::move(kernel), code, std::move(proc), limits, settings.probes));
}

const std::vector<ProcessId>& BpfCollector::targets() const { return x_state->targets; }

Status BpfCollector::State::install(const ProcessId& process) {
  const auto mappings = proc.mappings(process);
  if (!mappings) return mappings.error();
  if (is_32_bit(process)) of_32_bits.insert(process);
  const auto target = spaces.install(process, *mappings);
  if (!target) return target.error();
  return kernel.put_target(static_cast<uint32_t>(process.pid), *target);
}

Status BpfCollector::add_target(const ProcessId& process) {
  State& state = *x_state;
  if (auto installed = state.install(process); !installed) return installed;
  if (!state.proc.alive(process))
    return Error{ErrorKind::kGone, fmt::format("process {} is gone", process.pid), "UC-E003"};
  state.process_of[static_cast<uint32_t>(process.pid)] = process;
  state.targets.push_back(process);
  return {};
}

Status BpfCollector::add_before_exec(const ProcessId& process) {
  State& state = *x_state;
  uc_target target{};
  target.flags = UC_TARGET_UNMAPPED;
  if (auto put = state.kernel.put_target(static_cast<uint32_t>(process.pid), target); !put) {
    return put;
  }
  state.process_of[static_cast<uint32_t>(process.pid)] = process;
  state.targets.push_back(process);
  return {};
}

// A child came with its parent's target entry, made by the kernel side before it ran.
void BpfCollector::State::follow(uint32_t tgid, uint32_t, RecordSink& sink) {
  const auto process = proc.identify(static_cast<pid_t>(tgid));
  if (!process) return;  // gone already; its descriptors are gone with it
  if (std::find(targets.begin(), targets.end(), *process) != targets.end()) return;
  process_of[tgid] = *process;
  targets.push_back(*process);
  // What a child has from its parent has records; anything else appeared without our seeing, not
  // before the attach.
  scanned_once.insert(tgid);
  if (auto installed = install(*process); !installed) return;
  if (auto info = proc.info(*process)) sink.accept(ProcessSeen{monotonic_now(), *std::move(info)});
}

ProcessId BpfCollector::State::process_under(uint32_t tgid) const {
  const auto found = process_of.find(tgid);
  return found != process_of.end() ? found->second : ProcessId{static_cast<pid_t>(tgid), 0};
}

// The facts with every stack under the id that it is known by.
ConnectionFacts BpfCollector::State::facts(const uc_record& record, const uc_handed* handed,
                                           const uc_row* row) const {
  ConnectionFacts facts = facts_of(record, handed, process_under(record.tgid), row);
  const auto settle = [&](Use& use) { use.stack = stacks.settled(use.stack); };
  settle(facts.opened);
  for (auto& use : facts.requests) {
    if (use) settle(*use);
  }
  if (facts.first_receive) settle(*facts.first_receive);
  if (facts.duplicated) settle(*facts.duplicated);
  older.complete(facts);
  return facts;
}

void BpfCollector::State::on_stack(const uc_event_stack& event) {
  const auto found = process_of.find(event.tgid);
  ProcessId process;
  if (found != process_of.end()) {
    process = found->second;
  } else if (const auto identified = proc.identify(static_cast<pid_t>(event.tgid))) {
    process = *identified;
  }
  stacks.take_copy(process, event, [this](const ProcessId& target) { return install(target); });
}

void BpfCollector::State::on_closed(const uc_event_closed& event, const uc_handed* handed,
                                    RecordSink& sink) {
  stacks.keep(event.record, handed);
  stacks.keep(event.closed.stack);
  known.erase(event.record.file);
  const Instant at{static_cast<int64_t>(event.closed.at)};
  const ConnectionFacts facts = this->facts(event.record, handed, nullptr);
  if (event.vanished != 0) {
    sink.accept(Vanished{std::min(last_scan, at), at, facts.id});
  } else {
    Use closer = use_of(event.closed);
    closer.stack = stacks.settled(closer.stack);
    sink.accept(Closed{at, facts, closer});
  }
}

void BpfCollector::State::on_event(std::span<const std::byte> bytes, RecordSink& sink) {
  uint32_t type = 0;
  if (bytes.size() < sizeof type) return;
  std::memcpy(&type, bytes.data(), sizeof type);
  if (type == UC_EVENT_CLOSED && bytes.size() >= sizeof(uc_event_closed_handed)) {
    const auto& event = *reinterpret_cast<const uc_event_closed_handed*>(bytes.data());
    on_closed(event.closed, &event.handed, sink);
  } else if (type == UC_EVENT_CLOSED && bytes.size() >= sizeof(uc_event_closed)) {
    on_closed(*reinterpret_cast<const uc_event_closed*>(bytes.data()), nullptr, sink);
  } else if (type == UC_EVENT_STACK && bytes.size() >= sizeof(uc_event_stack)) {
    on_stack(*reinterpret_cast<const uc_event_stack*>(bytes.data()));
  } else if (type == UC_EVENT_LEFT && bytes.size() >= sizeof(uc_event_left)) {
    const auto& event = *reinterpret_cast<const uc_event_left*>(bytes.data());
    left.note(event, process_under(event.tgid));
  } else if (bytes.size() >= sizeof(uc_event_process)) {
    const auto& event = *reinterpret_cast<const uc_event_process*>(bytes.data());
    if (type == UC_EVENT_FORK) {
      follow(event.tgid, event.parent, sink);
    } else if (type == UC_EVENT_EXEC) {
      const auto process = process_of.find(event.tgid);
      if (process != process_of.end()) {
        spaces.forget(process->second);
        probes.forget(process->second);
        (void)install(process->second);  // a process that is gone by now needs none
        if (auto info = proc.info(process->second))
          sink.accept(ProcessSeen{monotonic_now(), *std::move(info)});
      }
      rescan = true;  // close-on-exec closes without a system call
    } else if (type == UC_EVENT_RESCAN) {
      rescan = true;
    } else if (type == UC_EVENT_FAULT) {
      const auto process = process_of.find(event.tgid);
      if (process != process_of.end()) probes.stop(process->second, static_cast<int>(event.parent));
    }
  }
}

size_t BpfCollector::poll(RecordSink& sink, Duration wait) {
  State& state = *x_state;
  size_t events = 0;
  const auto handle = [&](std::span<const std::byte> bytes) {
    ++events;
    state.on_event(bytes, sink);
  };
  state.kernel.drain(handle);
  if (events == 0 && wait > Duration::zero()) {
    state.kernel.wait(wait);
    state.kernel.drain(handle);
  }
  if (std::exchange(state.rescan, false)) (void)scan(sink);
  return events;
}

void BpfCollector::State::tell_failures(RecordSink& sink) {
  kernel.each_failure([&](const uc_failure_key& key, const uc_failure& failure) {
    stacks.keep(key.stack);
    const auto process = process_of.find(key.tgid);
    if (process == process_of.end()) return;
    Failed failed = failure_of(key, failure, process->second);
    failed.stack = stacks.settled(failed.stack);
    sink.accept(failed);
  });
}

uint64_t BpfCollector::State::lost_stacks() const {
  return kernel.counter(UC_LOST_STACKS) + kernel.counter(UC_LOST_UNREADABLE) +
         kernel.counter(UC_LOST_NESTED) + kernel.counter(UC_LOST_DEFERRED);
}

void BpfCollector::State::tell_losses(RecordSink& sink, Instant now) {
  const auto tell = [&](LossReason reason, uint64_t total, uint64_t& before) {
    if (total > before) sink.accept(Lost{last_scan, now, reason, total - before});
    before = total;
  };
  tell(LossReason::kRingFull, kernel.counter(UC_LOST_RING), ring_lost_before);
  most_unplaced = std::max(most_unplaced, last.unplaced);
  tell(LossReason::kTableFull,
       kernel.counter(UC_LOST_TABLE) + kernel.counter(UC_LOST_TARGETS) + most_unplaced,
       table_lost_before);
  tell(LossReason::kStacksFull, lost_stacks(), stacks_lost_before);
}

void BpfCollector::State::tell_ended(RecordSink& sink, Instant now) {
  for (auto target = targets.begin(); target != targets.end();) {
    if (proc.alive(*target)) {
      ++target;
      continue;
    }
    kernel.remove_target(static_cast<uint32_t>(target->pid));
    spaces.forget(*target);
    probes.forget(*target);
    sink.accept(ProcessGone{now, *target});
    target = targets.erase(target);
  }
}

// What changed hands while the tables were read is open still, though no table showed it.
void BpfCollector::State::tell_in_transit(RecordSink& sink, Instant began) {
  const auto since = static_cast<uint64_t>(began.ns);
  for (auto& [file, entry] : known) {
    if (entry.scan == scans) continue;
    const auto record = kernel.record(file);
    if (!record || record->generation != entry.generation || !process_of.contains(record->tgid))
      continue;
    if (record->duplicated.at <= since && record->partly_closed <= since >> UC_COARSE_SHIFT)
      continue;
    entry.scan = scans;
    const auto handed = kernel.handed(*record);
    stacks.keep(*record, handed ? &*handed : nullptr);
    sink.accept(Seen{monotonic_now(),
                     facts(*record, handed ? &*handed : nullptr, nullptr),
                     {{process_under(record->tgid), record->fd}}});
  }
}

// Records whose file was in no table: closed by exec, exit, another process, or while another
// thread was inside a call.
void BpfCollector::State::reap_unseen(Instant began) {
  for (auto entry = known.begin(); entry != known.end();) {
    if (entry->second.scan == scans) {
      ++entry;
      continue;
    }
    kernel.reap(entry->first, entry->second.generation, began);
    entry = known.erase(entry);
  }
  // Opened and gone again between two scans without a close that was seen: more records than files.
  const uint64_t made = kernel.counter(UC_CREATED), gone = kernel.counter(UC_DELETED);
  if (made - gone <= known.size()) return;
  std::vector<std::pair<uint64_t, uint64_t>> strays;
  kernel.each_record([&](const uc_record& record, const uc_handed*) {
    if (!known.contains(record.file) && static_cast<int64_t>(record.generation) < last_scan.ns) {
      strays.emplace_back(record.file, record.generation);
    }
  });
  for (const auto& [file, generation] : strays) kernel.reap(file, generation, began);
}

// What ended processes had open: the kernel closed it without a system call, so the records still
// stand, and tell what was open at the end. All others are gone where nobody is left.
void BpfCollector::State::tell_the_dead(RecordSink& sink) {
  const Instant now = monotonic_now();
  ended = targets.empty();
  std::vector<std::pair<uint64_t, uint64_t>> gone;
  kernel.each_record([&](const uc_record& record, const uc_handed* handed) {
    const auto seen = known.find(record.file);
    if (seen != known.end() && seen->second.scan == scans) return;
    const auto* held = left.of(record.file, record.generation);
    if (held == nullptr) {
      gone.emplace_back(record.file, record.generation);
      return;
    }
    stacks.keep(record, handed);
    sink.accept(Seen{now, facts(record, handed, nullptr), *held});
  });
  for (const auto& [file, generation] : gone) {
    if (ended) kernel.reap(file, generation, now);
  }
}

void BpfCollector::State::note_unused(const uc_record& record) {
  const uint64_t used = std::max({record.generation, record.last_send, record.last_receive});
  if (static_cast<int64_t>(used) > last_scan.ns) return;
  watch.unused(record.opened.site);
  if (record.requests[0].site != record.opened.site) watch.unused(record.requests[0].site);
}

Status BpfCollector::State::scan_target(const ProcessId& target, RecordSink& sink,
                                        std::unordered_map<uint64_t, Seen>& shared) {
  const auto tgid = static_cast<uint32_t>(target.pid);
  const bool first = scanned_once.insert(tgid).second;
  if (first) older.learn(target);
  uint64_t rows = 0, of_threads = 0;
  const auto done = kernel.scan(
      tgid, first, [&](const uc_row& row, const uc_record& record, const uc_handed* handed) {
        Known& entry = known[record.file];
        // Threads that outlive the first one show their table once each.
        if (row.thread != 0 && row.references <= 1 && entry.scan == scans) return;
        stacks.keep(record, handed);
        note_unused(record);
        entry = {record.generation, scans};
        const Descriptor descriptor{target, static_cast<int>(row.fd)};
        if (record.kind == UC_OTHER && others.size() < kMostOthers) others.push_back(descriptor);
        if (auto other = shared.find(record.file); other != shared.end()) {
          auto& all = other->second.descriptors;
          if (row.thread != 0 && std::find(all.begin(), all.end(), descriptor) != all.end()) return;
          all.push_back(descriptor);
          ++(row.thread != 0 ? of_threads : rows);
          return;
        }
        ++(row.thread != 0 ? of_threads : rows);
        Seen seen{monotonic_now(), facts(record, handed, &row), {descriptor}};
        if (row.references <= 1) {
          sink.accept(seen);
        } else {
          shared.emplace(record.file, std::move(seen));
        }
      });
  if (!done && done.error().kind != ErrorKind::kGone) return done.error();
  last.descriptors += rows + of_threads;
  last.unplaced += kernel.unplaced();
  if (auto limit = proc.nofile(target)) {
    last.drift += static_cast<int64_t>(limit->used) - static_cast<int64_t>(rows);
    sink.accept(LimitSeen{monotonic_now(), *std::move(limit)});
  }
  return {};
}

// The table of stacks is emptied of what was copied when three quarters of it are taken.
void BpfCollector::State::make_room_for_stacks() {
  const uint64_t held = kernel.counter(UC_STACKS_MADE) - stacks_dropped;
  if (held * 4 <= uint64_t{settings.most_stacks} * 3) return;
  stacks_dropped += kernel.drop_copied([&](uint64_t id) { return stacks.find(id) != nullptr; });
}

Status BpfCollector::scan(RecordSink& sink) {
  State& state = *x_state;
  if (state.ended) return {};
  const auto handle = [&](std::span<const std::byte> bytes) { state.on_event(bytes, sink); };
  state.kernel.drain(handle);
  const Instant began = monotonic_now();
  ++state.scans;
  sink.accept(ScanBegin{began});
  std::unordered_map<uint64_t, Seen> shared;
  state.others.clear();
  const BpfCoverage before = std::exchange(state.last, {});
  // By index: following a child makes the list longer.
  for (size_t i = 0; i < state.targets.size(); ++i) {
    if (auto done = state.scan_target(ProcessId(state.targets[i]), sink, shared); !done)
      return done;
  }
  for (auto& [file, seen] : shared) sink.accept(seen);
  state.kernel.drain(handle);  // closes that happened while the tables were read
  state.tell_ended(sink, monotonic_now());
  for (const ProcessId& target : state.targets) state.probes.arm(target, state.proc);
  // An exit closes one descriptor after the other, without calls: what is gone then was open at the
  // end.
  const bool ending =
      std::any_of(state.targets.begin(), state.targets.end(),
                  [&](const ProcessId& target) { return state.proc.ending(target); });
  if (state.targets.empty() || ending) {
    state.last = before;
    state.tell_the_dead(sink);
  }
  if (!state.ended && !ending) state.tell_in_transit(sink, began);
  state.tell_failures(sink);
  const Instant now = monotonic_now();
  state.tell_losses(sink, now);
  sink.accept(ScanEnd{now, state.kernel.counter(UC_OPENED), state.kernel.counter(UC_DELETED)});
  if (!state.ended && !ending) {
    state.reap_unseen(began);
    state.left.forget_before(began);
  }
  state.make_room_for_stacks();
  for (const auto& change : state.watch.end_scan())
    state.kernel.watch_site(change.site, change.watched ? Watch::kYes : Watch::kNo);
  state.last_scan = now;
  return {};
}

bool BpfCollector::ended() const { return x_state->ended; }

const RawStack* BpfCollector::stack(StackId id) const {
  return x_state->stacks.find(id);
}

BpfCoverage BpfCollector::coverage() const {
  const State& state = *x_state;
  BpfCoverage coverage = state.last;
  coverage.opened = state.kernel.counter(UC_OPENED);
  coverage.closed = state.kernel.counter(UC_DELETED);
  coverage.events_lost = state.kernel.counter(UC_LOST_RING) + state.kernel.counter(UC_LOST_TABLE);
  coverage.failures_lost = state.kernel.counter(UC_LOST_FAILURES);
  coverage.children_lost = state.kernel.counter(UC_LOST_TARGETS);
  coverage.stacks_taken = state.kernel.counter(UC_STACKS_TAKEN);
  coverage.stacks_lost = state.lost_stacks();
  coverage.stacks_sampled_out = state.kernel.counter(UC_STACKS_SAMPLED_OUT);
  coverage.stack_time = Duration(static_cast<int64_t>(state.kernel.counter(UC_STACK_NS)));
  coverage.modules_without_tables = state.spaces.modules_without_place();
  coverage.map_bytes = state.kernel.map_bytes();
  coverage.missing_hooks = state.kernel.missing();
  for (const Descriptor& other : state.others) {
    coverage.direct_descriptors += direct_descriptors(other);
  }
  coverage.of_32_bits.assign(state.of_32_bits.begin(), state.of_32_bits.end());
  coverage.probes = state.probes.asked_for();
  coverage.handouts = state.kernel.counter(UC_HANDOUT_CALLS);
  coverage.handouts_missed = state.kernel.counter(UC_HANDOUT_MISSED);
  return coverage;
}

}  // namespace unclosed
