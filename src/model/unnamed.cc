#include "model/unnamed.h"

#include <algorithm>

namespace unclosed {

std::optional<std::string> unnamed_place(const std::vector<NamedFrame>& frames,
                                         std::string_view exe) {
  constexpr std::string_view kUnknown = "[unknown]+";
  const std::string program(exe.substr(exe.rfind('/') + 1));
  const auto frame = std::find_if(frames.begin(), frames.end(), [&](const NamedFrame& one) {
    // A build id may follow the name of the file.
    return one.function.starts_with(kUnknown) &&
           (one.module == program || one.module.starts_with(program + " ["));
  });
  if (program.empty() || frame == frames.end()) return std::nullopt;
  return program + "+" + frame->function.substr(kUnknown.size());
}

}  // namespace unclosed
