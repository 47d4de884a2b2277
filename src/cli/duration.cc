#include "cli/duration.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <array>
#include <charconv>
#include <string>

namespace unclosed {
namespace {

struct Unit {
  std::string_view name;
  double seconds;
};
// Longer names first: "ms" is not "m".
constexpr std::array kUnits = {Unit{"ms", 0.001}, Unit{"s", 1}, Unit{"m", 60}, Unit{"h", 3600},
                               Unit{"d", 86400}};
constexpr double kMost = 10 * 365.25 * 86400;

Error not_a_duration(std::string_view text) {
  return {ErrorKind::kUsage,
          fmt::format("'{}' is no duration: write 60s, 1m30s, 500ms, or a number of seconds", text),
          "UC-E001"};
}

}  // namespace

Result<Duration> parse_duration(std::string_view text) {
  double sum = 0;
  std::string_view rest = text;
  if (rest.empty()) return not_a_duration(text);
  while (!rest.empty()) {
    double value = 0;
    const auto [end, failure] =
        std::from_chars(rest.data(), rest.data() + rest.size(), value, std::chars_format::fixed);
    // No sign, no "inf", no "nan".
    if (failure != std::errc() || rest.front() < '0' || rest.front() > '9') {
      return not_a_duration(text);
    }
    const bool first = rest.size() == text.size();
    rest.remove_prefix(static_cast<size_t>(end - rest.data()));
    if (rest.empty() && first) {
      sum = value;
      break;
    }
    const Unit* unit = nullptr;
    for (const auto& one : kUnits) {
      if (unit == nullptr && rest.starts_with(one.name)) unit = &one;
    }
    if (unit == nullptr) return not_a_duration(text);
    sum += value * unit->seconds;
    rest.remove_prefix(unit->name.size());
  }
  if (!(sum > 0) || sum > kMost) return not_a_duration(text);
  return from_seconds(sum);
}

void add_window_option(CLI::App& command, std::optional<Duration>& window,
                       const std::string& description) {
  const auto problem = [](const std::string& text) -> std::string {
    const auto duration = parse_duration(text);
    return duration ? "" : duration.error().context;
  };
  command
      .add_option_function<std::string>(
          "--for",
          [&window](const std::string& text) {
            if (const auto duration = parse_duration(text)) window = *duration;
          },
          description)
      ->type_name("TIME")
      ->check(CLI::Validator(problem, ""));
}

}  // namespace unclosed
