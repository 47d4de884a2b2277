#include "model/held.h"

namespace unclosed {

std::string_view to_string(HolderKind kind) {
  switch (kind) {
    case HolderKind::kVariable:
      return "variable";
    case HolderKind::kGoroutine:
      return "goroutine";
    case HolderKind::kRuntime:
      return "runtime";
    case HolderKind::kGarbage:
      return "garbage";
    case HolderKind::kUnknown:
      return "unknown";
  }
  return "";
}

std::string_view to_string(HolderCertainty certainty) {
  switch (certainty) {
    case HolderCertainty::kCertain:
      return "certain";
    case HolderCertainty::kLikely:
      return "likely";
  }
  return "";
}

}  // namespace unclosed
