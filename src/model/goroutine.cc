#include "model/goroutine.h"

#include <algorithm>

namespace unclosed {
namespace {

// Where the runtime waits for its callers; who called these is who waits.
bool waits_for_others(std::string_view function) {
  for (const std::string_view package :
       {"runtime.", "runtime/internal/", "internal/runtime/", "sync.", "internal/sync.",
        "internal/poll.", "golang.org/x/sync/"})
    if (function.starts_with(package)) return true;
  return false;
}

std::optional<size_t> first(const std::vector<NamedFrame>& stack, auto&& wanted) {
  const auto found = std::find_if(stack.begin(), stack.end(), wanted);
  if (found == stack.end()) return std::nullopt;
  return static_cast<size_t>(found - stack.begin());
}

}  // namespace

std::optional<size_t> blocked_at(const GoroutineGroup& group) {
  return first(group.stack,
               [](const NamedFrame& frame) { return !waits_for_others(frame.function); });
}

std::optional<size_t> own_frame(const GoroutineGroup& group) {
  return first(group.stack, [](const NamedFrame& frame) { return frame.own; });
}

}  // namespace unclosed
