#include "cli/budget.h"

#include <fmt/format.h>

#include <charconv>

namespace unclosed {

Result<double> parse_budget(std::string_view text) {
  if (text == "off") return 0.0;
  const Error wrong{
      ErrorKind::kUsage,
      fmt::format("'{}' is no share of a core: write 2%, 0.5%, up to 100%, or off", text),
      "UC-E001"};
  double percent = 0;
  const auto [end, failure] =
      std::from_chars(text.data(), text.data() + text.size(), percent, std::chars_format::fixed);
  if (failure != std::errc() || text.front() < '0' || text.front() > '9') return wrong;
  std::string_view rest = text.substr(static_cast<size_t>(end - text.data()));
  while (rest.starts_with(' ')) rest.remove_prefix(1);
  if (!rest.empty() && rest != "%") return wrong;
  if (!(percent > 0) || percent > 100) return wrong;
  return percent / 100;
}

}  // namespace unclosed
