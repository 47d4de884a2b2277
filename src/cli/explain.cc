#include "cli/explain.h"

#include <fmt/format.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "cli/error_catalogue.h"
#include "cli/output.h"
#include "report/printable.h"

namespace unclosed {
namespace {

struct ExplainOptions {
  std::string id;
  bool json = false;
};

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

int explain(const ExplainOptions& options) {
  std::string text;
  if (options.id.empty()) {
    text = everything(options.json);
  } else {
    const auto* entry = find_in_catalogue(options.id);
    if (entry == nullptr) {
      const Error error{
          ErrorKind::kUsage,
          fmt::format("no error has the id '{}'; `unclosed explain` lists them", options.id),
          "UC-E001"};
      complain(error);
      return exit_code(error.kind);
    }
    text = options.json ? json_of(*entry).dump(2) + "\n" : text_of(*entry);
  }
  auto output = DataOutput::open("");
  const auto written = output ? output->write(text) : Status(output.error());
  if (written) return 0;
  complain(written.error());
  return exit_code(written.error().kind);
}

}  // namespace

Command add_explain(CLI::App& app) {
  const auto options = std::make_shared<ExplainOptions>();
  auto* command = app.add_subcommand("explain", "tell more about an error");
  command->add_option("ID", options->id, "e.g. UC-E004; all are listed without it")->type_name("");
  command->add_flag("--json", options->json, "print JSON");
  command->footer(
      "Examples:\n"
      "  unclosed explain UC-E004\n"
      "  unclosed explain\n"
      "  unclosed explain --json UC-E010");
  return {command, [options] { return explain(*options); }};
}

}  // namespace unclosed
