#include "cli/look.h"

#include <fmt/format.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <map>

#include "cli/budget.h"
#include "cli/duration.h"
#include "cli/error_catalogue.h"
#include "cli/interrupts.h"
#include "cli/source_files.h"
#include "collect/procfs/procfs.h"
#include "report/report_json.h"
#include "report/report_text.h"

namespace unclosed {
namespace {

bool wants(const LookOptions& options, std::string_view what) {
  return std::find(options.fail_on.begin(), options.fail_on.end(), what) != options.fail_on.end();
}

std::string pids_of(const std::vector<ProcessId>& processes) {
  std::vector<pid_t> pids;
  for (const auto& process : processes) pids.push_back(process.pid);
  return fmt::format("{}", fmt::join(pids, " "));
}

std::string next_command(const SessionSettings& settings, const Report& report) {
  if (!settings.command.empty()) return "unclosed run --json -o report.json -- CMD…";
  const auto& findings = report.judgement.findings;
  const auto pids = pids_of(settings.targets);
  if (report.rung == "proc") return fmt::format("sudo unclosed attach {} --for 60s", pids);
  if (findings.empty()) return fmt::format("unclosed attach {} --for 10m", pids);
  const bool unnamed = std::any_of(findings.begin(), findings.end(),
                                   [](const Finding& one) { return !one.blame.has_value(); });
  if (unnamed) return fmt::format("unclosed attach {} --for 5m", pids);
  return fmt::format("unclosed attach {} --for 60s --json -o report.json", pids);
}

Result<SourceReader> source_reader(const LookOptions& options, const Report& report) {
  const ProcFs proc;
  SourcePlaces places;
  for (const auto& text : options.source_dirs) {
    auto moved = parse_moved(text);
    if (!moved) return moved.error();
    places.moved.push_back(*std::move(moved));
  }
  for (const auto& process : report.processes) {
    if (proc.alive(process.id)) places.roots.push_back(proc.root_of(process.id));
  }
  return source_files(std::move(places));
}

ColourChoice colour_choice(const std::string& word) {
  if (word == "always") return ColourChoice::kAlways;
  return word == "never" ? ColourChoice::kNever : ColourChoice::kAuto;
}

Result<std::string> readable_report(const SessionSettings& settings, const LookOptions& options,
                                    const Report& report, int descriptor) {
  const auto source = source_reader(options, report);
  if (!source) return source.error();
  TextOptions text;
  text.colour = use_colour(colour_choice(options.colour), ::isatty(descriptor) == 1);
  text.width = page_width(descriptor);
  text.next_command = next_command(settings, report);
  return report_text(report, text, *source);
}

Result<std::string> written_report(const SessionSettings& settings, const LookOptions& options,
                                   const Report& report, const DataOutput& output) {
  if (!options.json) return readable_report(settings, options, report, output.descriptor());
  JsonOptions json;
  if (options.all_connections) json.most_connections = SIZE_MAX;
  return report_json(report, json);
}

// The report could not be put where it was wanted: what was found out is told on standard error.
void rescue(const SessionSettings& settings, const LookOptions& options, const Report& report) {
  if (const auto text = readable_report(settings, options, report, STDERR_FILENO)) say(*text);
}

int child_code(const std::optional<int>& status) {
  if (!status) return last_interrupt() == 0 ? 0 : 128 + last_interrupt();
  if (WIFSIGNALED(*status)) return 128 + WTERMSIG(*status);
  return WEXITSTATUS(*status);
}

int final_code(const SessionSettings& settings, const LookOptions& options,
               const SessionResult& result) {
  const auto& findings = result.report.judgement.findings;
  const bool leaking = std::any_of(findings.begin(), findings.end(), [](const Finding& one) {
    return one.verdict == Verdict::kLeaking;
  });
  if (wants(options, "leaking") && leaking) return 1;
  if (wants(options, "suspect") && !findings.empty()) return 1;
  if (wants(options, "incomplete") && result.incomplete) return 6;
  return settings.command.empty() ? 0 : child_code(result.child_status);
}

int fail(const Error& error) {
  complain(error);
  return exit_code(error.kind);
}

std::string checked_budget(const std::string& text) {
  const auto budget = parse_budget(text);
  return budget ? "" : budget.error().context;
}

std::string checked_moved(const std::string& text) {
  const auto moved = parse_moved(text);
  return moved ? "" : moved.error().context;
}

}  // namespace

void add_look_options(CLI::App& command, LookOptions& options) {
  add_window_option(command, options.window,
                    "how long to look: 60s, 2m, 1m30s (Ctrl-C ends early)");
  command.add_option("--until", options.until, "finding: end as soon as something leaks")
      ->type_name("WHAT")
      ->check(CLI::IsMember({"finding"}).description(""));
  command.add_flag("--json", options.json, "print the report as JSON (unclosed.report/1)");
  command.add_flag("--all-connections", options.all_connections,
                   "list every connection in the JSON, not the first 100");
  command.add_option("-o,--output", options.output, "write the report to FILE")->type_name("FILE");
  command.add_option("--fail-on", options.fail_on, "exit 1 on leaking or suspect, 6 on incomplete")
      ->delimiter(',')
      ->type_name("WHAT")
      ->take_all()
      ->expected(1)
      ->check(CLI::IsMember({"leaking", "suspect", "incomplete"}).description(""));
  command
      .add_option("--own", options.own, "functions or files like PATTERN are the user's own code")
      ->type_name("PATTERN")
      ->take_all()
      ->expected(1);
  command.add_option("--not-own", options.not_own, "functions or files like PATTERN are not")
      ->type_name("PATTERN")
      ->take_all()
      ->expected(1);
  command.add_option("--source-dir", options.source_dirs, "source recorded under FROM is in TO")
      ->type_name("FROM=TO")
      ->take_all()
      ->expected(1)
      ->check(CLI::Validator(checked_moved, ""));
  command.add_flag("--no-probes", options.no_probes,
                   "never put probes on functions of the targets' libraries");
  command.add_flag("--no-memory", options.no_memory,
                   "do not read the memory of Go processes to tell who holds a connection");
  command
      .add_option_function<std::string>(
          "--budget",
          [&options](const std::string& text) {
            if (const auto budget = parse_budget(text)) options.stack_budget = *budget;
          },
          "share of one core for taking stacks: 2 %, 0.5%, off; beyond it they are sampled (2 %)")
      ->type_name("SHARE")
      ->check(CLI::Validator(checked_budget, ""));
  command.add_option("--color", options.colour, "auto, always, never")
      ->type_name("WHEN")
      ->check(CLI::IsMember({"auto", "always", "never"}).description(""));
  command.add_flag("-q,--quiet", options.quiet, "no progress on standard error");
  command
      .add_option("--scale", options.scale,
                  "run the policy's clocks faster (0.1: ten times); for tests and drills")
      ->type_name("FACTOR")
      ->check(CLI::Range(0.001, 1.0).description(""));
}

int look(SessionSettings settings, const LookOptions& options, const SessionRunner& runner) {
  auto output = DataOutput::open(options.output);
  if (!output) return fail(output.error());
  settings.window = options.window;
  settings.policy_scale = options.scale;
  settings.end = options.until.empty() ? SessionEnd::kWindow : SessionEnd::kFinding;
  settings.own = options.own;
  settings.not_own = options.not_own;
  settings.stack_budget = options.stack_budget;
  settings.all_connections = options.json && options.all_connections;
  settings.probes = !options.no_probes;
  settings.memory = !options.no_memory;
  ProgressLine progress(options.quiet ? ProgressLine::Loudness::kQuiet
                                      : ProgressLine::Loudness::kUsual);
  settings.progress = [&progress](const std::string& line, bool final) {
    progress.show(line, final ? ProgressLine::Stay::kFinal : ProgressLine::Stay::kPassing);
  };
  const auto result = runner(settings, interrupts());
  progress.clear();
  if (!result) return fail(result.error());
  const auto text = written_report(settings, options, result->report, *output);
  if (!text) return fail(text.error());
  const auto written = output->write(*text);
  if (!written) {
    rescue(settings, options, result->report);
    return fail(written.error());
  }
  return final_code(settings, options, *result);
}

}  // namespace unclosed
