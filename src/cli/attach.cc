#include "cli/attach.h"

#include <memory>

#include "cli/error_catalogue.h"
#include "cli/targets.h"
#include "collect/procfs/procfs.h"

namespace unclosed {
namespace {

struct AttachOptions {
  std::vector<std::string> targets;
  LookOptions look;
};

int attach(const AttachOptions& options, const SessionRunner& runner) {
  const auto targets = find_targets(options.targets, ProcFs());
  if (!targets) {
    complain(targets.error());
    return exit_code(targets.error().kind);
  }
  SessionSettings settings;
  settings.targets = *targets;
  return look(std::move(settings), options.look, runner);
}

}  // namespace

Command add_attach(CLI::App& app, const SessionRunner& runner) {
  const auto options = std::make_shared<AttachOptions>();
  auto* command = app.add_subcommand("attach", "look at running processes");
  command->add_option("TARGET", options->targets, "pid, name, or port:NUMBER that it listens on")
      ->required()
      ->type_name("");
  add_look_options(*command, options->look);
  command->footer(
      "Examples:\n"
      "  sudo unclosed attach 4242 --for 60s\n"
      "  sudo unclosed attach port:8080 --json -o report.json\n"
      "  sudo unclosed attach checkout --for 5m --fail-on=leaking");
  return {command, [options, runner] { return attach(*options, runner); }};
}

}  // namespace unclosed
