#include "symbolize/go_sources.h"

#include <functional>
#include <vector>

namespace unclosed {
namespace {

using Stack = std::vector<NamedFrame>;

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// Calls `each` with every stack until it answers false.
template <class Capture, class Each>
void for_stacks(Capture& capture, Each each) {
  const auto groups = [&](auto& list) {
    for (auto& group : list) {
      if (!each(group.stack)) return false;
      for (auto& ancestor : group.ancestors)
        if (!each(ancestor)) return false;
    }
    return true;
  };
  if (!groups(capture.groups) || !groups(capture.leaked)) return;
  for (auto& site : capture.allocations)
    if (!each(site.stack)) return;
  for (auto& site : capture.contentions)
    if (!each(site.stack)) return;
}

// "/usr/local/go/src/" of runtime's or net/http's "/usr/local/go/src/net/http/server.go".
std::string root_of(const NamedFrame& frame) {
  const std::string_view package = go_package(frame.function);
  const std::string_view file = frame.file;
  if (!go_standard(package) || package == "main") return {};
  const size_t slash = file.rfind('/');
  if (slash == std::string_view::npos) return {};
  const std::string_view folder = file.substr(0, slash);
  if (!folder.ends_with(package) || folder.size() <= package.size()) return {};
  const std::string_view root = folder.substr(0, folder.size() - package.size());
  return root.ends_with("/src/") ? std::string(root) : std::string();
}

// The release in "/usr/lib/go-1.19/src/", "/sdk/go1.22.3/src/", "/go/1.22.3/x64/src/" or
// "…/toolchain@v0.0.1-go1.26.8.linux-amd64/src/".
std::string version_in(std::string_view root) {
  for (size_t at = root.rfind("go"); at != std::string_view::npos && at > 0;
       at = root.rfind("go", at - 1)) {
    std::string_view rest = root.substr(at + 2);
    if (rest.starts_with('-') || rest.starts_with('/')) rest.remove_prefix(1);
    if (!rest.starts_with("1.") || rest.size() < 3 || !is_digit(rest[2])) continue;
    size_t end = 2;
    while (end < rest.size() &&
           (is_digit(rest[end]) ||
            (rest[end] == '.' && end + 1 < rest.size() && is_digit(rest[end + 1]))))
      ++end;
    return std::string("go").append(rest.substr(0, end));
  }
  return {};
}

}  // namespace

GoSources go_sources(const GoroutineCapture& capture) {
  GoSources sources;
  for_stacks(capture, [&](const Stack& stack) {
    for (const NamedFrame& frame : stack) {
      sources.root = root_of(frame);
      if (!sources.root.empty()) return false;
    }
    return true;
  });
  sources.version = version_in(sources.root);
  return sources;
}

void mark_own(GoroutineCapture& capture, const OwnRules& rules) {
  const GoSources sources = go_sources(capture);
  if (capture.go.empty()) capture.go = sources.version;
  const auto mark = [&](NamedFrame& frame) {
    const auto said = own_by_pattern(rules, frame.function, frame.file, frame.module);
    frame.own = said ? *said : own_go({frame.function, frame.file, nullptr, sources.root});
  };
  for_stacks(capture, [&](Stack& stack) {
    for (NamedFrame& frame : stack) mark(frame);
    return true;
  });
  for (auto* groups : {&capture.groups, &capture.leaked})
    for (GoroutineGroup& group : *groups)
      if (group.created_by) mark(*group.created_by);
}

}  // namespace unclosed
