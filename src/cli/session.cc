#include "cli/session.h"

#include <fmt/format.h>
#include <sys/resource.h>
#include <time.h>

#include <algorithm>
#include <limits>
#include <unordered_set>

#include "base/short_turns.h"
#include "cli/collector_threads.h"
#include "cli/coverage_notes.h"
#include "cli/launch.h"
#include "cli/owners.h"
#include "cli/port_watch.h"
#include "cli/told_processes.h"
#include "cli/watcher.h"
#include "cli/what_would_name.h"
#include "collect/procfs/procfs.h"
#include "judge/judge.h"
#include "judge/last_closes.h"
#include "judge/left_open.h"
#include "judge/said_leaking.h"
#include "ledger/ledger.h"
#include "model/cut_secrets.h"
#include "symbolize/go_build_info.h"
#include "symbolize/module_store.h"
#include "symbolize/runtime_of.h"
#include "symbolize/symbolizer.h"

namespace unclosed {
namespace {

// Time between two scans: short enough for the policy's windows, and at most a twentieth of it is
// spent scanning, but never so long that a window of a minute sees only a few.
constexpr Duration kScanEvery = std::chrono::seconds(1);
constexpr int kScanShare = 20;
constexpr int kLongestPause = 5;
// Of the time between two judgements at most this share is spent on one: where a finding ends the
// look, and where it is only said.
constexpr int kJudgeShare = 50;
constexpr int kJudgeShareAside = 200;

// CPU time of this thread: on a busy machine a scan takes longer than it costs.
Duration cpu_time() {
  timespec used{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
  return std::chrono::seconds(used.tv_sec) + Duration(used.tv_nsec);
}

bool any_leaks(const Judgement& judgement) {
  return std::any_of(judgement.findings.begin(), judgement.findings.end(),
                     [](const Finding& one) { return one.verdict == Verdict::kLeaking; });
}

// What a report is made of.
struct Judged {
  Histories histories;
  StackBook stacks;
  Judgement judgement;
};

// Connections of which none is used: of a pool that nobody asks, or one that is stuck.
bool all_lie_idle(const Finding& group) {
  return group.verdict == Verdict::kHeld && is_socket(group.kind) &&
         group.role != Role::kListener &&
         std::none_of(group.evidence.begin(), group.evidence.end(),
                      [](const Evidence& one) { return one.kind == "used-again"; });
}

class Session {
 public:
  Session(const SessionSettings& settings, const std::atomic<int>& interrupts)
      : x_settings(settings),
        x_interrupts(interrupts),
        x_modules("/proc"),
        x_symbolizer(x_modules, OwnRules{settings.own, settings.not_own}),
        x_ledger(monotonic_now()),
        x_last_closes(x_ledger),
        x_sink(x_proc, x_last_closes),
        x_owners(x_modules, x_symbolizer) {}

  Result<SessionResult> run();

 private:
  Status start();
  Status start_command();
  void tell_notes();
  void introduce(const ProcessId& process);
  void introduce_command(const ProcessId& process);
  Status watch();
  bool over();
  void notice_end();
  void tell_progress(Instant now);
  void name_stack(StackId id, StackBook& book);
  StackBook name_stacks(const Histories& histories);
  Policy policy() const;
  void judge_so_far(Instant now);
  Coverage coverage(const Histories& histories, const StackBook& stacks) const;
  Cost cost() const;
  void keep_what_lasted(Report& report, const Histories& histories);
  Judged judge_in_full(Histories histories);
  SessionResult conclude();

  const SessionSettings& x_settings;
  const std::atomic<int>& x_interrupts;
  ProcFs x_proc;
  ModuleStore x_modules;
  Symbolizer x_symbolizer;
  Ledger x_ledger;
  LastCloses x_last_closes;  // on the way to the ledger, as is x_sink before it
  CollectorThreads x_sink;
  std::optional<Launch> x_launch;
  std::optional<ProcessInfo> x_command;  // of x_launch, as far as it is known before its exec
  std::shared_ptr<Watcher> x_collector;
  PortWatch x_ports;
  std::vector<ProcessId> x_asked;
  std::optional<Instant> x_end_noticed;  // of the command, or of all targets
  Instant x_started;
  std::optional<Judged> x_found;  // what ends the look
  SaidLeaking x_said;
  Owners x_owners;
  Instant x_next_judgement{};
  Duration x_attaching{};
  WallClock x_clock;
};

void Session::introduce(const ProcessId& process) {
  auto info = x_proc.info(process);
  if (!info || info->exe.empty()) return;  // gone, or about to be: nothing is to be read any more
  info->runtime = runtime_of(process, info->exe,
                             x_proc.mappings(process).value_or(std::vector<Mapping>{}), x_modules);
  x_sink.accept(ProcessSeen{monotonic_now(), *std::move(info)});
}

// What its own process tells replaces this, if it lives long enough to be asked.
void Session::introduce_command(const ProcessId& process) {
  ProcessInfo info;
  if (auto waiting = x_proc.info(process)) info = *std::move(waiting);
  info.id = process;
  info.exe = x_launch->program();
  info.command = cut_secrets(x_settings.command);
  x_command = std::move(info);
}

Status Session::start_command() {
  const auto process = x_proc.identify(x_launch->pid());
  if (!process) return process.error();
  x_asked = {*process};
  if (auto added = x_collector->add_before_exec(*process); !added) return added;
  introduce_command(*process);
  // At its entry the exec is known and its libraries are mapped: read them before it runs.
  bool held = false;
  const auto mapped = [&] {
    held = true;
    x_collector->poll(x_sink, std::chrono::milliseconds(50));
    introduce(*process);
  };
  if (auto gone = x_launch->go(mapped); !gone) return gone;
  if (!held) introduce(*process);
  tell_notes();
  return {};
}

void Session::tell_notes() {
  if (!x_settings.progress) return;
  for (const std::string& note : x_collector->notes()) x_settings.progress(note, true);
}

Status Session::start() {
  if (!x_settings.command.empty()) {
    auto launch = Launch::prepare(x_settings.command, x_settings.child_output);
    if (!launch) return launch.error();
    x_launch.emplace(*std::move(launch));
  }
  const Instant began = monotonic_now();
  BpfSettings kernel_side;
  kernel_side.stack_budget = x_settings.stack_budget;
  kernel_side.entry_probes = x_settings.entry_probes;
  kernel_side.probes = x_settings.probes;
  const auto confine = [&] { return x_launch->confine(); };
  auto watcher = open_watcher(kernel_side, x_modules, x_proc,
                              x_launch ? std::function<Result<Confined>()>(confine) : nullptr);
  if (!watcher) return watcher.error();
  x_collector = *std::move(watcher);
  x_clock = WallClock::now();
  x_started = x_clock.monotonic;
  x_ledger = Ledger(x_started);
  x_asked = x_settings.targets;
  if (x_launch) return start_command();
  for (const ProcessId& target : x_settings.targets) {
    if (auto added = x_collector->add_target(target); !added) return added;
    introduce(target);
  }
  if (auto scanned = x_collector->scan(x_sink); !scanned) return scanned;
  x_attaching = monotonic_now() - began;
  if (x_settings.progress) {
    const BpfCoverage seen = x_collector->coverage();
    x_settings.progress(fmt::format("attached in {:.2f} s; {} descriptors were open before",
                                    seconds(x_attaching), seen.descriptors),
                        true);
    tell_notes();
  }
  return {};
}

bool Session::over() {
  if (x_interrupts.load() > 0 || x_collector->ended() || x_found) return true;
  if (x_launch && x_launch->status() && x_collector->targets().empty()) return true;
  return x_settings.window && monotonic_now() - x_started >= *x_settings.window;
}

void Session::notice_end() {
  // Asked for in any case: a child that nobody waits for stays a zombie.
  const bool command_ended = x_launch && x_launch->status();
  if (!x_end_noticed && (command_ended || x_collector->ended())) x_end_noticed = monotonic_now();
}

void Session::tell_progress(Instant now) {
  if (!x_settings.progress) return;
  const BpfCoverage seen = x_collector->coverage();
  const std::string window =
      x_settings.window ? fmt::format("/{:.0f}", seconds(*x_settings.window)) : "";
  x_settings.progress(
      fmt::format("{:.0f}{} s  opened {}  closed {}  open {}  lost {}", seconds(now - x_started),
                  window, seen.opened, seen.closed, seen.descriptors, seen.events_lost),
      false);
}

// Without stacks it is not known which of several pools a connection belongs to: that others were
// dialled says nothing.
Policy Session::policy() const {
  Policy policy = Policy{}.scaled(x_settings.policy_scale);
  if (x_settings.all_connections) policy.most_listed = SIZE_MAX;
  if (x_collector->rung() == "proc") policy.passing_dials = std::numeric_limits<uint32_t>::max();
  return policy;
}

// Judges what is known so far, now and then: naming and judging cost more than a scan.
void Session::judge_so_far(Instant now) {
  if (now < x_next_judgement) return;
  const bool waits_for_it = x_settings.end == SessionEnd::kFinding;
  const Duration before = cpu_time();
  Histories histories = x_ledger.histories(now);
  const Duration unnamed = cpu_time();
  const StackBook stacks = name_stacks(histories);
  const Duration naming = cpu_time() - unnamed;
  const Judgement judgement = judge(histories, stacks, policy());
  x_said.note(judgement, now);
  const bool any_left_alone =
      !judgement.findings.empty() ||
      std::any_of(judgement.groups.begin(), judgement.groups.end(), all_lie_idle);
  if (x_settings.memory && any_left_alone) x_owners.look(histories.processes, now);
  if (waits_for_it && any_leaks(judgement)) {
    // Reported as it stands now: a moment later too little may tell.
    Judged judged = judge_in_full(std::move(histories));
    if (any_leaks(judged.judgement)) x_found = std::move(judged);
  }
  const int share = waits_for_it ? kJudgeShare : kJudgeShareAside;
  const Duration least =
      from_seconds((waits_for_it ? 1 : 5) * std::min(1.0, x_settings.policy_scale));
  // Names are looked up once: what the first ones cost must not put off the next judgement.
  const Duration rest = cpu_time() - before - naming;
  const Duration cost = rest + std::min(naming, rest);
  x_next_judgement = monotonic_now() + std::max<Duration>(cost * share, least);
}

Status Session::watch() {
  // Not sooner: a command that is started would have them as well.
  ask_for_short_turns();
  const Duration every = std::max<Duration>(
      std::chrono::milliseconds(100),
      from_seconds(seconds(kScanEvery) * std::min(1.0, x_settings.policy_scale)));
  Instant next_scan = monotonic_now() + (x_launch ? std::chrono::milliseconds(20) : every);
  Instant next_word = monotonic_now() + std::chrono::seconds(1);
  while (!over()) {
    Instant now = monotonic_now();
    Duration wait =
        std::clamp<Duration>(next_scan - now, Duration::zero(), std::chrono::milliseconds(100));
    if (x_settings.window) wait = std::min<Duration>(wait, *x_settings.window - (now - x_started));
    x_collector->poll(x_sink, std::max(wait, Duration::zero()));
    notice_end();
    now = monotonic_now();
    if (now >= next_scan) {
      const Duration before = cpu_time();
      if (auto scanned = x_collector->scan(x_sink); !scanned) return scanned;
      x_ports.look(x_collector->targets(), x_ledger, PortWatch::When::kNowAndThen);
      next_scan = monotonic_now() + std::clamp<Duration>((cpu_time() - before) * kScanShare, every,
                                                         every * kLongestPause);
      judge_so_far(now);
    }
    if (now >= next_word) {
      tell_progress(now);
      next_word = now + std::chrono::seconds(1);
    }
  }
  notice_end();
  x_ports.look(x_collector->targets(), x_ledger, PortWatch::When::kAtLast);
  return x_collector->scan(x_sink);
}

void Session::name_stack(StackId id, StackBook& book) {
  if (id == kNoStack || book.contains(id)) return;
  const RawStack* raw = x_collector->stack(id);
  if (raw == nullptr) return;
  NamedStack named = x_symbolizer.name(*raw);
  if (const RawStack* starter = x_collector->stack(raw->started_by))
    named.started = x_symbolizer.name(*starter).frames;
  book.emplace(id, std::move(named));
}

StackBook Session::name_stacks(const Histories& histories) {
  StackBook book;
  const auto name = [&](StackId id) { name_stack(id, book); };
  const auto name_all = [&](const ConnectionFacts& facts) {
    name(facts.opened.stack);
    for (const auto& use : facts.requests) {
      if (use) name(use->stack);
    }
    for (const auto& use : facts.borrowed) {
      if (use) name(use->stack);
    }
    if (facts.returned) name(facts.returned->stack);
    if (facts.first_receive) name(facts.first_receive->stack);
    if (facts.told_of_end) name(facts.told_of_end->stack);
    if (facts.duplicated) name(facts.duplicated->stack);
    if (facts.copied_from) name(facts.copied_from->stack);
  };
  for (const History& history : histories.open) {
    name_all(history.facts);
    for (const Copy& copy : history.copies) name(copy.made.stack);
  }
  for (const LeftCount& left : histories.left_behind) name(left.opened);
  for (const auto& [key, cohort] : histories.cohorts) {
    name(key.opened);
    for (const StackCount& closer : cohort.closers) name(closer.stack);
    for (const auto* samples : {&cohort.samples, &cohort.firsts}) {
      for (const ClosedSample& sample : *samples) {
        name_all(sample.facts);
        name(sample.closed_by);
      }
    }
  }
  for (const Failed& failure : histories.failures) name(failure.stack);
  return book;
}

Coverage Session::coverage(const Histories& histories, const StackBook& stacks) const {
  const BpfCoverage seen = x_collector->coverage();
  Coverage coverage;
  for (const History& history : histories.open) {
    const uint64_t count = history.descriptors.size() * history.stands_for;
    coverage.open += count;
    if (history.facts.before_attach) {
      coverage.before_attach += count;
    } else if (history.facts.opened.stack != kNoStack) {
      coverage.traced += count;
      const auto stack = stacks.find(history.facts.opened.stack);
      if (stack != stacks.end() && stack->second.truncated != Truncation::kNone) {
        coverage.stacks_truncated += history.stands_for;
      }
    }
  }
  if (x_collector->ended()) coverage.open_at_end = 0;
  coverage.events_lost = seen.events_lost;
  coverage.stacks_sampled_out = seen.stacks_sampled_out;
  coverage.drift = seen.drift;
  coverage.opened = seen.opened;
  coverage.closed = seen.closed;
  coverage.notes = coverage_notes(seen);
  for (const std::string& note : x_collector->notes()) coverage.notes.push_back(note);
  for (const std::string& note : x_owners.notes()) coverage.notes.push_back(note);
  for (const HandoutProbe& probe : seen.probes) {
    if (probe.armed) coverage.probes.push_back({probe.function, probe.why});
  }
  return coverage;
}

Cost Session::cost() const {
  const BpfCoverage seen = x_collector->coverage();
  Cost cost;
  cost.attach_seconds = seconds(x_attaching);
  cost.stacks = seen.stacks_taken;
  cost.stack_seconds = seconds(seen.stack_time);
  cost.kernel_bytes = seen.map_bytes;
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  cost.resident_bytes = static_cast<uint64_t>(usage.ru_maxrss) * 1024;
  return cost;
}

// What is a finding, or listed in a group, is judged again with what the memory of its process
// tells.
Judged Session::judge_in_full(Histories histories) {
  Judged judged{std::move(histories), {}, {}};
  if (x_command) tell_unread(judged.histories, *x_command);
  judged.stacks = name_stacks(judged.histories);
  judged.judgement = judge(judged.histories, judged.stacks, policy());
  if (!x_settings.memory) return judged;
  Owners::Asked asked;
  for (const Finding& finding : judged.judgement.findings) {
    for (const FoundConnection& one : finding.connections) asked.found.insert(one.id);
  }
  asked.connections = asked.found;
  for (const Finding& group : judged.judgement.groups) {
    for (const FoundConnection& one : group.connections) asked.connections.insert(one.id);
  }
  asked.settled = policy().settled_floor();
  x_owners.tell(judged.histories, asked);
  if (!judged.histories.owners.empty()) {
    judged.judgement = judge(judged.histories, judged.stacks, policy());
  }
  return judged;
}

// A leak that lasted until its process ended is one, whatever closed its descriptors then.
void Session::keep_what_lasted(Report& report, const Histories& histories) {
  if (!x_end_noticed) return;
  const auto closes = x_last_closes.before(*x_end_noticed);
  StackBook closers;
  for (const LastClose& one : closes) name_stack(one.by, closers);
  auto& findings = report.judgement.findings;
  for (Finding& finding : x_said.lasted(report.judgement, histories, closes, closers)) {
    std::erase_if(findings, [&](const Finding& weaker) {
      return weaker.fingerprint == finding.fingerprint;
    });
    for (const FoundConnection& one : finding.connections) {
      for (const StackId id :
           {one.opened, one.used, one.borrowed, one.received, one.told, one.duplicated}) {
        name_stack(id, report.stacks);
      }
    }
    findings.insert(findings.begin(), std::move(finding));
  }
}

SessionResult Session::conclude() {
  const Instant ended = monotonic_now();
  Judged judged = x_found ? *std::move(x_found)
                          : judge_in_full(std::move(x_ledger).take_histories(ended));
  const Histories& histories = judged.histories;
  SessionResult result;
  Report& report = result.report;
  report.stacks = std::move(judged.stacks);
  report.judgement = std::move(judged.judgement);
  keep_what_lasted(report, histories);
  report.judgement.taken_back = x_said.taken_back(report.judgement, histories);
  say_what_would_name(report.judgement, report.stacks, *x_collector);
  report.coverage = coverage(histories, report.stacks);
  if (report.coverage.open_at_end) {
    report.left_open = left_open(histories, report.stacks);
    for (const LeftOpen& place : report.left_open) *report.coverage.open_at_end += place.count;
  }
  report.left_behind = left_behind(histories, report.stacks);
  report.cost = cost();
  report.clock = x_clock;
  report.started = x_started;
  report.ended = ended;
  report.rung = x_collector->rung();
  report.interrupted = x_interrupts.load() > 0;
  tell_processes(report, histories, x_asked);
  result.incomplete = is_incomplete(x_collector->coverage());
  if (x_launch) {
    result.child_status =
        report.interrupted ? x_launch->end(std::chrono::seconds(5)) : x_launch->status();
  }
  result.kernel_side = std::move(x_collector);
  return result;
}

Result<SessionResult> Session::run() {
  if (auto started = start(); !started) return started.error();
  if (auto watched = watch(); !watched) return watched.error();
  return conclude();
}

}  // namespace

Result<SessionResult> run_session(const SessionSettings& settings,
                                  const std::atomic<int>& interrupts) {
  return Session(settings, interrupts).run();
}

}  // namespace unclosed
