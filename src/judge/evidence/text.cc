#include <fmt/format.h>

#include "judge/evidence/evidence.h"

namespace unclosed {

std::string text_of(Duration duration) {
  const double s = seconds(duration);
  if (s >= 600) return fmt::format("{:.0f} min", s / 60);
  if (s >= 9.95) return fmt::format("{:.0f} s", s);
  if (s >= 0.95) return fmt::format("{:.3g} s", s);
  return fmt::format("{:.3g} ms", s * 1000);
}

}  // namespace unclosed
