// The close came from a finalizer: nobody closed it, the collector did. Conclusive for the site,
// also while the count does not grow.
#include <fmt/format.h>

#include "judge/evidence/evidence.h"

namespace unclosed {

std::optional<Evidence> closed_by_collector(const Case& item) {
  constexpr uint64_t kLeast = 2;
  if (item.healed < kLeast) return std::nullopt;
  return Evidence{"closed-by-collector", Family::kCollector, true, true,
                  fmt::format("{} were closed by a finalizer of the garbage collector, not by the "
                              "code that used them",
                              item.healed)};
}

}  // namespace unclosed
