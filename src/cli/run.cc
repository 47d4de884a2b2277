#include "cli/run.h"

#include <fmt/format.h>

#include <memory>

#include "cli/error_catalogue.h"

namespace unclosed {
namespace {

int run(const LookOptions& options, const SessionRunner& runner,
        const std::vector<std::string>& command) {
  SessionSettings settings;
  settings.command = command;
  settings.child_output =
      options.json && options.output.empty() ? ChildOutput::kStandardError : ChildOutput::kAsIs;
  return look(std::move(settings), options, runner);
}

}  // namespace

Command add_run(CLI::App& app, const SessionRunner& runner, std::vector<std::string> command) {
  const auto options = std::make_shared<LookOptions>();
  auto* entry = app.add_subcommand("run", "start a command and look at it and its children");
  add_look_options(*entry, *options);
  entry->footer(
      "Looks until CMD ends, or for the time of --for; CMD's exit code is passed through.\n"
      "With --json and without -o standard output is the document's alone: CMD's goes to standard\n"
      "error.\n\n"
      "Examples:\n"
      "  sudo unclosed run -- ./server --port 8080\n"
      "  sudo unclosed run --json -o report.json -- go test ./...\n"
      "  sudo unclosed run --fail-on=leaking --for 2m -- ./server");
  return {entry, [options, runner, command = std::move(command)] {
            if (command.empty()) {
              const Error error{ErrorKind::kUsage,
                                "no command: write `unclosed run [OPTIONS] -- CMD…`", "UC-E001"};
              complain(error);
              return exit_code(error.kind);
            }
            return run(*options, runner, command);
          }};
}

}  // namespace unclosed
