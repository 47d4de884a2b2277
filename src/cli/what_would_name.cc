#include "cli/what_would_name.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>

#include "symbolize/go_build_info.h"

namespace unclosed {
namespace {

bool calls(const NamedStack& stack, std::string_view package) {
  return std::any_of(stack.frames.begin(), stack.frames.end(), [&](const NamedFrame& frame) {
    return go_package(frame.function) == package;
  });
}

// Whether some of its connections were used, or opened, through the package.
bool goes_through(const Finding& finding, const StackBook& stacks, std::string_view package) {
  return std::any_of(finding.connections.begin(), finding.connections.end(),
                     [&](const FoundConnection& one) {
                       const auto stack = stacks.find(one.used != kNoStack ? one.used : one.opened);
                       return stack != stacks.end() && calls(stack->second, package);
                     });
}

void add(std::string& reason, const std::string& more) {
  if (!reason.empty()) reason += "; ";
  reason += more;
}

std::string about(const HandoutProbe& probe) {
  return fmt::format("a probe on {} names who is given a connection, {}", probe.function,
                     probe.armed && probe.obstacle.empty()
                         ? "from when it was put there on: a longer window would show it"
                         : fmt::format("but it is not there ({})", probe.obstacle));
}

}  // namespace

void say_what_would_name(Judgement& judgement, const StackBook& stacks, const Watcher& watcher) {
  const std::vector<HandoutProbe> probes = watcher.coverage().probes;
  const std::string rung = watcher.rung();
  const auto say = [&](Finding& finding) {
    std::string& reason = finding.no_blame_reason;
    if (finding.blame || reason.empty()) return;
    if (rung == "proc") reason = watcher.notes().front();
    if (rung == "seccomp") add(reason, watcher.notes().front());
    if (finding.role != Role::kClient) return;
    for (const HandoutProbe& probe : probes) {
      if (probe.gives && goes_through(finding, stacks, go_package(probe.function))) {
        add(reason, about(probe));
      }
    }
  };
  for (Finding& finding : judgement.findings) say(finding);
  for (Finding& group : judgement.groups) say(group);
}

}  // namespace unclosed
