#include "collect/seccomp/seccomp_collector.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <climits>
#include <functional>
#include <utility>

namespace unclosed {
// Between the look at the tables and the ledger: adds what the calls told.
class SeccompCollector::Merger : public RecordSink {
 public:
  // `take_in`: takes in what was called up to now.
  Merger(Tracker& tracker, Ended& ended, const ProcFs& proc, RecordSink& sink,
         std::function<void()> take_in)
      : x_tracker(tracker),
        x_ended(ended),
        x_proc(proc),
        x_sink(sink),
        x_take_in(std::move(take_in)) {
    ++x_ended.look;
  }

  void accept(const Record& record) override {
    if (const auto* begin = std::get_if<ScanBegin>(&record)) x_began = begin->at;
    if (const auto* process = std::get_if<ProcessSeen>(&record)) {
      x_tracker.begin(process->info.id, process->info.parent,
                      x_proc.started(process->info.id));
    }
    if (const auto* gone = std::get_if<ProcessGone>(&record)) {
      const bool looked_at = x_ended.looked_at.erase(gone->id) > 0;
      if (!looked_at) {
        ++x_ended.unseen;
        x_take_in();  // its last calls may have come since the look began
      }
      for (const auto& [facts, place] : x_tracker.left_by(gone->id)) {
        x_sink.accept(Seen{gone->at, facts, {place}});
      }
      x_tracker.end(gone->id);
      constexpr size_t kMostEnded = 4096;
      if (x_ended.at.size() >= kMostEnded) x_ended.at.clear();
      x_ended.at[gone->id] = x_ended.look;
      const bool known = looked_at || x_tracker.told_of_every_close();
      const bool other = x_ended.executed.erase(gone->id) > 0;
      return x_sink.accept(ProcessGone{gone->at, gone->id, known, other});
    }
    if (const auto* seen = std::get_if<Seen>(&record)) {
      if (x_ended.with_child.contains(seen->facts.id)) return;
      Seen completed = *seen;
      x_tracker.complete(completed.facts, completed.descriptors, x_began);
      if (!ended_with_child(completed)) return x_sink.accept(completed);
      (void)x_tracker.closed(completed.facts.id);
      x_ended.with_child.insert(completed.facts.id);
      return x_sink.accept(Vanished{x_began, completed.at, completed.facts.id});
    }
    if (const auto* vanished = std::get_if<Vanished>(&record)) {
      if (x_ended.with_child.erase(vanished->id) > 0) return;
      if (const auto closed = x_tracker.closed(vanished->id)) return x_sink.accept(*closed);
    }
    if (const auto* end = std::get_if<ScanEnd>(&record)) {
      x_tracker.finish_look(x_began, [&](const Closed& closed) { x_sink.accept(closed); });
      ScanEnd whole = *end;
      whole.opened_total = x_tracker.opened();
      whole.closed_total += x_tracker.closed_unseen() + x_ended.with_child.size();
      whole.closed_total -= std::min(whole.closed_total, x_tracker.copies_gone());
      return x_sink.accept(whole);
    }
    x_sink.accept(record);
  }

 private:
  // Whoever had it last has ended, and before who opened it, who has closed it then.
  bool ended_with_child(const Seen& seen) const {
    const auto opener = x_ended.at.find(seen.facts.opener);
    const uint64_t last = opener == x_ended.at.end() ? UINT64_MAX : opener->second;
    return !seen.descriptors.empty() &&
           std::all_of(seen.descriptors.begin(), seen.descriptors.end(),
                       [&](const Descriptor& one) {
                         const auto holder = x_ended.at.find(one.process);
                         return holder != x_ended.at.end() && holder->second < last;
                       });
  }

  Tracker& x_tracker;
  Ended& x_ended;
  const ProcFs& x_proc;
  RecordSink& x_sink;
  std::function<void()> x_take_in;
  Instant x_began;
};

SeccompCollector::SeccompCollector(Supervisor supervisor, ToldCalls told, CodeSource& code,
                                   const ProcFs& proc)
    : x_supervisor(std::move(supervisor)),
      x_proc(proc),
      x_polling(proc),
      x_unwinder(code, proc),
      x_tracker(told),
      x_told(told),
      x_last_look(monotonic_now()) {}

Result<SeccompCollector> SeccompCollector::start(Confined confined,
                                                 SupervisorSettings settings, CodeSource& code,
                                                 ProcFs proc) {
  settings.told = confined.told;
  auto supervisor = Supervisor::start(std::move(confined.listener), settings);
  if (!supervisor) return supervisor.error();
  return SeccompCollector(*std::move(supervisor), confined.told, code, proc);
}

Status SeccompCollector::add_before_exec(const ProcessId& process) {
  if (auto added = x_polling.add_before_exec(process); !added) return added;
  x_processes.emplace(static_cast<uint32_t>(process.pid), process);
  for (const ListedDescriptor& one : x_polling.inherited()) {
    x_tracker.was_given({process, one.fd}, one.socket ? one.inode : 0);
  }
  return {};
}

std::optional<ProcessId> SeccompCollector::process_of(uint32_t pid, RecordSink& sink) {
  const auto known = x_processes.find(pid);
  if (known != x_processes.end()) return known->second;
  const auto process = x_proc.identify(static_cast<pid_t>(pid));
  if (!process) return std::nullopt;
  x_processes.emplace(pid, *process);
  const auto& targets = x_polling.targets();
  if (std::find(targets.begin(), targets.end(), *process) == targets.end() &&
      add_target(*process)) {
    if (auto info = x_proc.info(*process)) {
      x_tracker.begin(*process, info->parent, x_proc.started(*process));
      sink.accept(ProcessSeen{monotonic_now(), *std::move(info)});
    }
  }
  return *process;
}

StackId SeccompCollector::keep(const ProcessId& process, const Call& call) {
  if (call.stack.bytes.empty()) return kNoStack;
  const Unwinder::Walked& walked = x_unwinder.walk(process, call.stack);
  x_stacks.try_emplace(walked.id, walked.stack);
  return walked.id;
}

void SeccompCollector::take_in(RecordSink& sink) {
  x_supervisor.collect(x_batch);
  for (Call& call : x_batch.calls) {
    const auto process = process_of(call.process, sink);
    if (!process) continue;
    if (call.kind == CallKind::kEnds || call.kind == CallKind::kSignals) {
      x_ended.looked_at.insert(*process);
    }
    if (call.kind == CallKind::kExecutes) {
      x_ended.executed.insert(*process);
      x_unwinder.forget(*process);
      x_goroutines_told.erase(call.process);
      if (call.closing) {
        for (const int fd : *call.closing) x_tracker.forget_numbers(*process, fd, fd);
      } else {
        x_tracker.forget_numbers(*process, STDERR_FILENO + 1, INT32_MAX);
      }
      continue;
    }
    if (call.kind == CallKind::kClears) {
      x_tracker.forget_numbers(*process, static_cast<int>(call.arguments[0]),
                               static_cast<int>(std::min<uint64_t>(call.arguments[1], INT32_MAX)));
      continue;
    }
    if (call.new_code) x_unwinder.forget(*process);
    TracedCall traced;
    traced.process = *process;
    traced.use = {keep(*process, call), call.at, {call.thread, call.goroutine}};
    const auto place = x_unwinder.goroutines(*process);
    traced.goroutines = place.has_value();
    if (place && x_goroutines_told.insert(call.process).second) {
      x_supervisor.tell_goroutines(call.process, *place);
    }
    call.stack = {};
    traced.call = std::move(call);
    x_tracker.note(traced);
  }
  const uint64_t lost = x_supervisor.counts().lost;
  if (lost > x_lost_told) {
    sink.accept(Lost{x_last_look, monotonic_now(), LossReason::kRingFull, lost - x_lost_told});
    x_lost_told = lost;
  }
}

void SeccompCollector::poll(RecordSink& sink, Duration wait) {
  x_supervisor.wait(wait);
  take_in(sink);
  if (x_supervisor.ending() != 0) (void)scan(sink);
  x_supervisor.let_held_go();
}

Status SeccompCollector::scan(RecordSink& sink) {
  std::vector<uint32_t> gone;  // by now, so that all their calls are taken in here
  for (const auto& [pid, process] : x_processes) {
    if (!x_proc.alive(process)) gone.push_back(pid);
  }
  take_in(sink);
  Merger merger(x_tracker, x_ended, x_proc, sink, [&] { take_in(sink); });
  x_last_look = monotonic_now();
  x_goroutines_told.clear();  // again, should the supervisor have forgotten
  const Status scanned = x_polling.scan(merger);
  for (const uint32_t pid : gone) x_processes.erase(pid);
  return scanned;
}

const RawStack* SeccompCollector::stack(StackId id) const {
  const auto found = x_stacks.find(id);
  return found == x_stacks.end() ? nullptr : &found->second;
}

std::vector<std::string> SeccompCollector::notes() const {
  auto notes = x_polling.notes();
  notes.front() =
      "receives were not seen, nor what 32-bit programs and io_uring did; the service's calls on "
      "descriptors waited some microseconds each";
  if (x_told == ToldCalls::kOfGo) {
    notes.front() +=
        "; of its accepts and closes one in four was told: others that were accepted at the same "
        "address have the same line, and some that came and went were not counted";
  }
  if (x_ended.unseen > 0) {
    notes.push_back(fmt::format(
        "{} ended without a look at the end (by a fault, or by a signal of another): what was open "
        "is known as of the last look and of what was told since",
        x_ended.unseen == 1 ? "one process" : fmt::format("{} processes", x_ended.unseen)));
  }
  return notes;
}

}  // namespace unclosed
