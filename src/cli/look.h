// What `attach` and `run` have in common: their options, the session, the report, the exit code.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "cli/output.h"
#include "cli/session.h"

namespace unclosed {

// run_session, or what a test puts in its place.
using SessionRunner =
    std::function<Result<SessionResult>(const SessionSettings&, const std::atomic<int>&)>;

struct LookOptions {
  std::optional<Duration> window;
  bool json = false, all_connections = false, quiet = false, no_probes = false, no_memory = false;
  std::vector<std::string> fail_on;  // leaking, suspect, incomplete
  std::vector<std::string> own, not_own, source_dirs;
  std::string output, until;
  std::string colour = "auto";
  double scale = 1.0;
  double stack_budget = 0.02;  // share of one core; 0: no bound
};

void add_look_options(CLI::App& command, LookOptions& options);

// Runs the session, prints the report, and gives the exit code. Of `settings` what to look at is
// filled in.
int look(SessionSettings settings, const LookOptions& options, const SessionRunner& runner);

}  // namespace unclosed
