// One look at running processes, from attach to judgement: the engine behind `attach` and `run`.
// Blocks until its window is over; what it made in the kernel goes with the result. One
// session at a time, on one thread; only `interrupts` may be changed from elsewhere.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "collect/bpf/entry_probe.h"
#include "model/process.h"
#include "model/report.h"

namespace unclosed {

// Where what a started command prints to its standard output goes.
enum class ChildOutput { kAsIs, kStandardError };

// What ends a session besides its window, an interrupt, and the end of its targets.
enum class SessionEnd { kWindow, kFinding };

// Exactly one of `targets` and `command` is set.
struct SessionSettings {
  std::vector<ProcessId> targets;    // attach: running processes
  std::vector<std::string> command;  // run: what to start
  ChildOutput child_output = ChildOutput::kAsIs;
  std::optional<Duration> window;  // nullopt: until interrupted, or until the targets are gone
  SessionEnd end = SessionEnd::kWindow;   // kFinding: as soon as something is leaking
  double policy_scale = 1.0;              // below 1 the policy's clocks run faster
  std::vector<std::string> own, not_own;  // patterns of the user's own code, and of what is not
  double stack_budget = 0.02;             // of one core, for all stacks together; 0: no bound
  bool all_connections = false;           // list every one, also of what is no finding
  EntryProbes entry_probes = EntryProbes::kMulti;  // where this kernel has them
  bool memory = true;  // may read the memory of Go processes, for who holds a connection
  bool probes = true;  // may put entry probes on library functions, where stacks ask for them
  // One line of progress for stderr; `final` lines stay, the others may be overwritten.
  std::function<void(const std::string& line, bool final)> progress;
};

struct SessionResult {
  Report report;
  std::optional<int> child_status;  // wait status of run's child; nullopt: still running, or attach
  bool incomplete = false;          // records were lost and could not be made good
  // Detaching takes the kernel some seconds: hold this until the report is out.
  std::shared_ptr<void> kernel_side;
};

// Runs the whole flow: collect, ledger, judge. Returns early, still with a report, when
// `interrupts` becomes positive. Errors carry an id of the catalogue.
Result<SessionResult> run_session(const SessionSettings& settings,
                                  const std::atomic<int>& interrupts);

}  // namespace unclosed
