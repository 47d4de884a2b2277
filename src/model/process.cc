#include "model/process.h"

#include <algorithm>
#include <array>

namespace unclosed {

bool is_interpreter(std::string_view path) {
  static constexpr std::array<std::string_view, 9> kNames = {
      "python", "libpython", "node", "java", "libjvm", "ruby", "php", "perl", "dotnet"};
  const std::string_view name = path.substr(path.rfind('/') + 1);
  return std::any_of(kNames.begin(), kNames.end(),
                     [&](std::string_view start) { return name.starts_with(start); });
}

}  // namespace unclosed
