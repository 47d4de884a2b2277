#include "model/go_memory.h"

namespace unclosed {

std::string_view to_string(DescriptorWaiter::For what) {
  switch (what) {
    case DescriptorWaiter::For::kRead:
      return "read";
    case DescriptorWaiter::For::kWrite:
      return "write";
    case DescriptorWaiter::For::kCall:
      return "call";
  }
  return "";
}

std::string_view to_string(HttpRequest::Role role) {
  return role == HttpRequest::Role::kServing ? "serving" : "awaiting";
}

}  // namespace unclosed
