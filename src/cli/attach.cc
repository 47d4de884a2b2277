#include "cli/attach.h"

#include <memory>

#include "cli/error_catalogue.h"
#include "cli/targets.h"
#include "collect/procfs/procfs.h"

namespace unclosed {
namespace {

struct AttachOptions {
  std::vector<std::string> targets;
  bool tree = false;
  LookOptions look;
};

int attach(const AttachOptions& options, const SessionRunner& runner) {
  const auto targets = find_targets(options.targets, ProcFs());
  if (!targets) {
    complain(targets.error());
    return exit_code(targets.error().kind);
  }
  SessionSettings settings;
  settings.targets = options.tree ? with_descendants(*targets, ProcFs()) : *targets;
  return look(std::move(settings), options.look, runner);
}

}  // namespace

Command add_attach(CLI::App& app, const SessionRunner& runner) {
  const auto options = std::make_shared<AttachOptions>();
  auto* command = app.add_subcommand("attach", "look at running processes");
  command
      ->add_option("TARGET", options->targets,
                   "pid, name, port:NUMBER that it listens on, unit:NAME, container:ID")
      ->required()
      ->type_name("");
  command->add_flag("--tree", options->tree,
                    "the children that are there already too (later ones always are)");
  add_look_options(*command, options->look);
  command->footer(
      "Examples:\n"
      "  sudo unclosed attach 4242 --for 60s\n"
      "  sudo unclosed attach port:8080 --json -o report.json\n"
      "  sudo unclosed attach unit:checkout --until finding --for 1h");
  return {command, [options, runner] { return attach(*options, runner); }};
}

}  // namespace unclosed
