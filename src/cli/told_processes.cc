#include "cli/told_processes.h"

#include <algorithm>
#include <set>

namespace unclosed {
namespace {

std::set<ProcessId> that_are_listed(const Judgement& judgement) {
  std::set<ProcessId> processes;
  for (const auto* findings : {&judgement.findings, &judgement.groups}) {
    for (const Finding& finding : *findings) {
      for (const FoundConnection& one : finding.connections) {
        processes.insert(one.descriptor.process);
        for (const Descriptor& other : one.others) processes.insert(other.process);
      }
    }
  }
  return processes;
}

}  // namespace

void tell_unread(Histories& histories, const ProcessInfo& started) {
  ProcessInfo& info = histories.processes[started.id];
  if (info.exe.empty() && info.command.empty()) info = started;
}

void tell_processes(Report& report, const Histories& histories,
                    const std::vector<ProcessId>& asked) {
  const auto rank = [&](const ProcessId& process) {
    return std::find(asked.begin(), asked.end(), process) - asked.begin();
  };
  const auto is_asked = [&](const ProcessId& process) {
    return std::find(asked.begin(), asked.end(), process) != asked.end();
  };
  const auto ended = [&](const ProcessId& process) { return histories.ended.contains(process); };
  const auto listed = that_are_listed(report.judgement);
  for (const auto& [id, info] : histories.processes) {
    if (!ended(id) || is_asked(id) || listed.contains(id)) {
      report.processes.push_back(info);
    } else {
      ++report.ended_children;
    }
  }
  std::stable_sort(
      report.processes.begin(), report.processes.end(),
      [&](const ProcessInfo& a, const ProcessInfo& b) { return rank(a.id) < rank(b.id); });
  auto& limits = report.judgement.limits;
  const bool any_asked = std::any_of(limits.begin(), limits.end(), [&](const Limit& limit) {
    return is_asked(limit.use.process);
  });
  if (any_asked) {
    std::erase_if(limits, [&](const Limit& limit) {
      return ended(limit.use.process) && !is_asked(limit.use.process);
    });
  }
  std::stable_sort(limits.begin(), limits.end(), [&](const Limit& a, const Limit& b) {
    return rank(a.use.process) < rank(b.use.process);
  });
}

}  // namespace unclosed
