#include "cli/doctor.h"

#include <fmt/format.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "cli/error_catalogue.h"
#include "cli/machine.h"
#include "cli/output.h"
#include "report/printable.h"
#include "report/text_page.h"

namespace unclosed {
namespace {

struct DoctorOptions {
  bool json = false;
  std::string colour = "auto";
};

using Json = nlohmann::ordered_json;

Ink ink_of(Standing standing) {
  switch (standing) {
    case Standing::kOk:
      return Ink::kGood;
    case Standing::kLimited:
      return Ink::kWarn;
    case Standing::kMissing:
      return Ink::kBad;
  }
  return Ink::kPlain;
}

std::string text_of(const MachineFacts& facts, size_t width, bool colour) {
  TextPage page(width, colour);
  std::string told;  // a remedy is printed once
  for (const MachineCheck& check : weigh_machine(facts)) {
    const auto word = to_string(check.standing);
    page.bullet(0, fmt::format("{:<8}", word), ink_of(check.standing),
                fmt::format("{}: {} (for {})", check.name, printable(check.found), check.why));
    if (check.remedy.empty()) continue;
    page.bullet(9, "fix:", Ink::kBold, check.remedy == told ? "the same" : check.remedy);
    told = check.remedy;
  }
  page.blank();
  for (const RungState& rung : rungs_of(facts)) {
    page.bullet(0, fmt::format("{:<8}", rung.works ? "works" : "no"),
                rung.works ? Ink::kGood : Ink::kBad,
                fmt::format("rung {}: {}", rung.rung, printable(rung.what)));
  }
  return page.take();
}

std::string json_of(const MachineFacts& facts) {
  Json checks = Json::array(), rungs = Json::array();
  for (const MachineCheck& check : weigh_machine(facts)) {
    checks.push_back({{"name", check.name},
                      {"standing", to_string(check.standing)},
                      {"found", check.found},
                      {"why", check.why},
                      {"remedy", check.remedy.empty() ? Json() : Json(check.remedy)}});
  }
  for (const RungState& rung : rungs_of(facts)) {
    rungs.push_back({{"rung", rung.rung}, {"works", rung.works}, {"what", rung.what}});
  }
  const Json document = {{"schema", "unclosed.doctor/1"}, {"checks", checks}, {"rungs", rungs}};
  return document.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

int doctor(const DoctorOptions& options) {
  auto output = DataOutput::open("");
  if (!output) {
    complain(output.error());
    return exit_code(output.error().kind);
  }
  const MachineFacts facts = gather_machine();
  const auto choice = options.colour == "always"  ? ColourChoice::kAlways
                      : options.colour == "never" ? ColourChoice::kNever
                                                  : ColourChoice::kAuto;
  const auto written =
      output->write(options.json ? json_of(facts)
                                 : text_of(facts, page_width(output->descriptor()),
                                           use_colour(choice, output->to_terminal())));
  if (!written) {
    complain(written.error());
    return exit_code(written.error().kind);
  }
  if (facts.hooks.worked()) return 0;
  return exit_code(facts.hooks.denied ? ErrorKind::kDenied : ErrorKind::kUnsupported);
}

}  // namespace

Command add_doctor(CLI::App& app) {
  const auto options = std::make_shared<DoctorOptions>();
  auto* command =
      app.add_subcommand("doctor", "tell what works on this machine, and what mends it");
  command->add_flag("--json", options->json, "print JSON (unclosed.doctor/1)");
  command->add_option("--color", options->colour, "auto, always, never")
      ->type_name("WHEN")
      ->check(CLI::IsMember({"auto", "always", "never"}).description(""));
  command->footer(
      "Exits with 0 where attach and run work, 4 where a privilege is missing for them, 5 where\n"
      "the machine cannot do it.\n\n"
      "Examples:\n"
      "  unclosed doctor\n"
      "  sudo unclosed doctor\n"
      "  sudo unclosed doctor --json");
  return {command, [options] { return doctor(*options); }};
}

}  // namespace unclosed
