#include "cli/explain.h"

#include <fmt/format.h>
#include <strings.h>

#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "cli/error_catalogue.h"
#include "cli/explain_files.h"
#include "cli/output.h"
#include "judge/hunt.h"
#include "report/explanation_json.h"
#include "report/explanation_text.h"
#include "report/printable.h"

namespace unclosed {
namespace {

struct ExplainOptions {
  std::vector<std::string> what;  // one id of an error, or files
  OwnRules rules;
  std::string output, colour = "auto";
  bool json = false;
};

int fail(const Error& error) {
  complain(error);
  return exit_code(error.kind);
}

// "UC-E004": a file of such a name is given as ./UC-E004.
bool is_id(const std::string& word) {
  return word.size() > 4 && ::strncasecmp(word.c_str(), "UC-E", 4) == 0 &&
         std::all_of(word.begin() + 4, word.end(), [](char c) { return c >= '0' && c <= '9'; });
}

nlohmann::ordered_json json_of(const CatalogueEntry& entry) {
  return {{"id", entry.id},
          {"what", entry.what},
          {"why", entry.why},
          {"fix", entry.fix},
          {"still_works", entry.still_works}};
}

std::string text_of(const CatalogueEntry& entry) {
  std::string text = fmt::format("{}  {}\n", entry.id, entry.what);
  const auto part = [&](std::string_view label, std::string_view words) {
    bool first = true;
    for (const auto& line : wrap(words, 80)) {
      text += fmt::format("  {:<12} {}\n", first ? label : "", line);
      first = false;
    }
  };
  part("why", entry.why);
  part("what to do", entry.fix);
  part("still works", entry.still_works);
  return text;
}

std::string everything(bool json) {
  if (json) {
    auto list = nlohmann::ordered_json::array();
    for (const auto& entry : error_catalogue()) list.push_back(json_of(entry));
    return list.dump(2) + "\n";
  }
  std::string text;
  for (const auto& entry : error_catalogue()) {
    text += fmt::format("{}  {}\n", entry.id, entry.what);
  }
  return text;
}

int write_out(const std::string& text, const std::string& path) {
  auto output = DataOutput::open(path);
  const auto written = output ? output->write(text) : Status(output.error());
  return written ? 0 : fail(written.error());
}

int explain_error(const ExplainOptions& options) {
  const std::string& id = options.what.front();
  const auto* entry = find_in_catalogue(id);
  if (entry == nullptr) {
    return fail({ErrorKind::kUsage,
                 fmt::format("no error has the id '{}'; `unclosed explain` lists them", id),
                 "UC-E001"});
  }
  return write_out(options.json ? json_of(*entry).dump(2) + "\n" : text_of(*entry), options.output);
}

ColourChoice colour_choice(const std::string& word) {
  if (word == "always") return ColourChoice::kAlways;
  return word == "never" ? ColourChoice::kNever : ColourChoice::kAuto;
}

int explain_given_files(const ExplainOptions& options) {
  auto output = DataOutput::open(options.output);
  if (!output) return fail(output.error());
  auto input = read_for_hunt(options.what, options.rules);
  if (!input) return fail(input.error());
  const Explanation explanation = hunt(*std::move(input));
  std::string text;
  if (options.json) {
    text = explanation_json(explanation, {});
  } else {
    ExplanationStyle style;
    style.colour = use_colour(colour_choice(options.colour), output->to_terminal());
    style.width = page_width(output->descriptor());
    text = explanation_text(explanation, style);
  }
  const auto written = output->write(text);
  return written ? 0 : fail(written.error());
}

int explain(const ExplainOptions& options) {
  if (options.what.empty()) return write_out(everything(options.json), options.output);
  if (options.what.size() == 1 && is_id(options.what.front())) return explain_error(options);
  return explain_given_files(options);
}

}  // namespace

Command add_explain(CLI::App& app) {
  const auto options = std::make_shared<ExplainOptions>();
  auto* command = app.add_subcommand(
      "explain", "what a log, counters of a pool and profiles tell, or more about an error");
  command
      ->add_option("WHAT", options->what,
                   "files, in the order in which they were taken (- is standard input), or the id "
                   "of an error; all errors are listed without it")
      ->type_name("");
  command
      ->add_option("--own", options->rules.own,
                   "functions or files like PATTERN are the user's own code")
      ->type_name("PATTERN")
      ->take_all()
      ->expected(1);
  command
      ->add_option("--not-own", options->rules.not_own, "functions or files like PATTERN are not")
      ->type_name("PATTERN")
      ->take_all()
      ->expected(1);
  command->add_flag("--json", options->json, "print JSON (unclosed.explanation/1 for files)");
  command->add_option("-o,--output", options->output, "write to FILE")->type_name("FILE");
  command->add_option("--color", options->colour, "auto, always, never")
      ->type_name("WHEN")
      ->check(CLI::IsMember({"auto", "always", "never"}).description(""));
  command->footer(
      "Files may be mixed: logs (text or JSON lines, with the prefixes of compose, journald or\n"
      "kubectl; also compressed by gzip) with panics, dumps of goroutines and errors of "
      "databases;\n"
      "counters of pools (sql.DBStats as JSON, /debug/vars, Prometheus text), several for their\n"
      "course; goroutine profiles. They are told apart by their content.\n\n"
      "Examples:\n"
      "  unclosed explain app.log\n"
      "  journalctl -u checkout --since -1h | unclosed explain -\n"
      "  unclosed explain app.log metrics-1.txt metrics-2.txt goroutines.txt --json\n"
      "  unclosed explain UC-E004");
  return {command, [options] { return explain(*options); }};
}

}  // namespace unclosed
