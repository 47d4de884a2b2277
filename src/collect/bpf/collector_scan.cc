// What a scan of the collector does: reads the tables of all targets, and tells what came and went.
#include <algorithm>
#include <utility>

#include "collect/bpf/blind_spots.h"
#include "collect/bpf/collector_state.h"
#include "collect/bpf/convert.h"
#include "collect/bpf/copies.h"

namespace unclosed {

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
    const bool other = executed.erase(static_cast<uint32_t>(target->pid)) > 0;
    sink.accept(ProcessGone{now, *target, true, other});
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
void BpfCollector::State::reap_unseen(Instant began, RecordSink& sink) {
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
  kernel.each_record([&](const uc_record& record, const uc_handed* handed) {
    const auto* held = left.of(record.file, record.generation, record.tgid);
    const bool earlier = static_cast<int64_t>(record.generation) < last_scan.ns;
    if (known.contains(record.file) || (held == nullptr && !earlier)) return;
    if (held != nullptr) sink.accept(left_open(monotonic_now(), record, handed, *held));
    strays.emplace_back(record.file, record.generation);
  });
  for (const auto& [file, generation] : strays) kernel.reap(file, generation, began);
}

Seen BpfCollector::State::left_open(Instant at, const uc_record& record, const uc_handed* handed,
                                    const std::vector<Descriptor>& held) {
  Seen seen{at, facts(record, handed, nullptr), held};
  for (const Descriptor& one : held) add_copy(kernel, stacks, record, one, seen);
  tell_by_copies(seen);
  return seen;
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
    const auto* held = left.of(record.file, record.generation, record.tgid);
    if (held == nullptr) {
      gone.emplace_back(record.file, record.generation);
      return;
    }
    stacks.keep(record, handed);
    sink.accept(left_open(now, record, handed, *held));
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
          add_copy(kernel, stacks, record, descriptor, other->second);
          ++(row.thread != 0 ? of_threads : rows);
          return;
        }
        ++(row.thread != 0 ? of_threads : rows);
        Seen seen{monotonic_now(), facts(record, handed, &row), {descriptor}};
        add_copy(kernel, stacks, record, descriptor, seen);
        if (row.references <= 1) {
          tell_by_copies(seen);
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
  for (auto& [file, seen] : shared) {
    tell_by_copies(seen);
    sink.accept(seen);
  }
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
    state.reap_unseen(began, sink);
    state.left.forget_before(began);
  }
  state.make_room_for_stacks();
  for (const auto& change : state.watch.end_scan())
    state.kernel.watch_site(change.site, change.watched ? Watch::kYes : Watch::kNo);
  state.last_scan = now;
  return {};
}

}  // namespace unclosed
