#include "collect/bpf/collector.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "collect/bpf/blind_spots.h"
#include "collect/bpf/collector_state.h"
#include "collect/bpf/convert.h"
#include "collect/bpf/self_check.h"

namespace unclosed {

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
  if (facts.told_of_end) settle(*facts.told_of_end);
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
    // No scan may have passed since it was opened.
    const auto* held = left.of(event.record.file, event.record.generation, event.record.tgid);
    if (held != nullptr) sink.accept(left_open(at, event.record, handed, *held));
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
    const ProcessId process = process_under(event.tgid);
    left.note(event, process);
    // It may have ended before it could be followed.
    if (process.start_ticks == 0) {
      sink.accept(ProcessGone{monotonic_now(), process, true, executed.contains(event.tgid)});
    }
  } else if (bytes.size() >= sizeof(uc_event_process)) {
    const auto& event = *reinterpret_cast<const uc_event_process*>(bytes.data());
    if (type == UC_EVENT_FORK) {
      executed.erase(event.tgid);
      follow(event.tgid, event.parent, sink);
    } else if (type == UC_EVENT_EXEC) {
      executed.insert(event.tgid);
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
