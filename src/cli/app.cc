#include "cli/app.h"

#include <fmt/format.h>

#include <algorithm>
#include <exception>
#include <memory>
#include <string>
#include <vector>

#include "cli/attach.h"
#include "cli/completion.h"
#include "cli/doctor.h"
#include "cli/error_catalogue.h"
#include "cli/explain.h"
#include "cli/go_command.h"
#include "cli/interrupts.h"
#include "cli/ls.h"
#include "cli/output.h"
#include "cli/run.h"
#include "cli/version.h"

namespace unclosed {
namespace {

constexpr int kBug = 70;

int print(const std::string& text) {
  auto output = DataOutput::open("");
  const auto written = output ? output->write(text) : Status(output.error());
  if (written) return 0;
  complain(written.error());
  return exit_code(written.error().kind);
}

int refuse(const std::string& what) {
  complain({ErrorKind::kUsage, what, "UC-E001"});
  return exit_code(ErrorKind::kUsage);
}

// Arguments before "--" are ours; those behind it are the command of `run`, whatever they look
// like.
struct Split {
  std::vector<std::string> ours, command;
};

Split split(int argc, char** argv) {
  Split parts;
  const std::vector<std::string> all(argv + std::min(argc, 1), argv + argc);
  const bool is_run = !all.empty() && all.front() == "run";
  const auto mark = is_run ? std::find(all.begin(), all.end(), "--") : all.end();
  parts.ours.assign(all.begin(), mark);
  if (mark != all.end()) parts.command.assign(mark + 1, all.end());
  return parts;
}

// Shows whole commands, and that of `run`, which CLI11 does not know to take a command.
class Formatter : public CLI::Formatter {
 public:
  std::string make_usage(const CLI::App* app, std::string name) const override {
    if (name == "run") return "Usage: unclosed run [OPTIONS] -- CMD [ARGUMENT...]\n";
    return CLI::Formatter::make_usage(app, name.empty() ? "unclosed" : "unclosed " + name);
  }
};

void describe(CLI::App& app) {
  app.formatter(std::make_shared<Formatter>());
  app.description(
      "Finds the connections that a service never closed, and the line of code that should have "
      "closed them.");
  app.set_help_flag("-h,--help", "print this help");
  app.set_version_flag("--version", fmt::format("unclosed {}", kVersion), "print the version");
  app.require_subcommand(0, 1);  // what follows a command's name is never another command
  app.get_formatter()->column_width(30);
  app.get_formatter()->label("REQUIRED", "");
  app.footer(
      "Examples:\n"
      "  sudo unclosed attach 4242 --for 60s          a running process\n"
      "  sudo unclosed attach port:8080               who listens on a port, until Ctrl-C\n"
      "  sudo unclosed run -- ./server --port 8080    from its first descriptor on\n"
      "  unclosed ls                                  who is near a limit, also without root\n"
      "  unclosed go http://localhost:6060            the goroutines of a Go service that grow\n\n"
      "Exit codes: 0 done, 1 findings (--fail-on), 2 usage, 3 target gone, 4 permission,\n"
      "5 not possible here, 6 data incomplete (--fail-on), 70 a bug, 128+n a signal.");
}

int parse_and_run(int argc, char** argv, const SessionRunner& runner) {
  auto parts = split(argc, argv);
  CLI::App app;
  describe(app);
  const std::vector<Command> commands = {add_attach(app, runner),
                                         add_run(app, runner, parts.command),
                                         add_ls(app),
                                         add_go(app),
                                         add_doctor(app),
                                         add_explain(app),
                                         add_completion(app)};
  for (const auto& command : commands) command.app->fallthrough(false);
  try {
    std::reverse(parts.ours.begin(), parts.ours.end());  // CLI11 takes them from the end
    app.parse(parts.ours);
  } catch (const CLI::CallForHelp&) {
    const auto chosen = app.get_subcommands();
    return print(chosen.empty() ? app.help() : chosen.front()->help());
  } catch (const CLI::CallForVersion& version) {
    return print(std::string(version.what()) + "\n");
  } catch (const CLI::ExtrasError& error) {
    const bool is_run = commands[1].app->parsed() && parts.command.empty();
    return refuse(is_run ? "the command stands behind `--`: unclosed run [OPTIONS] -- CMD…"
                         : std::string(error.what()));
  } catch (const CLI::ParseError& error) {
    return refuse(error.what());
  }
  for (const auto& command : commands) {
    if (command.app->parsed()) return command.run();
  }
  say(app.help());
  return exit_code(ErrorKind::kUsage);
}

}  // namespace

int run_app(int argc, char** argv, const SessionRunner& runner) {
  hold_standard_descriptors();
  handle_interrupts();
  try {
    return parse_and_run(argc, argv, runner);
  } catch (const std::exception& bug) {
    complain({ErrorKind::kSystem, bug.what(), "UC-E017"});
  } catch (...) {
    complain({ErrorKind::kSystem, "something that is no exception was thrown", "UC-E017"});
  }
  return kBug;
}

}  // namespace unclosed
