#include "judge/left_open.h"

#include <algorithm>
#include <map>
#include <string_view>
#include <tuple>

#include "judge/stacks.h"
#include "model/unnamed.h"

namespace unclosed {
namespace {

constexpr size_t kMostFrames = 3;

// Go's poller and what it reads of its cgroup: opened once, by whoever needs it first. Where the
// call that puts a descriptor into the poller stands for its opening, that is not the runtime's.
bool opened_by_runtime(const NamedStack& stack) {
  const auto calls_the_kernel = [](std::string_view function) {
    return function.starts_with("internal/runtime/syscall") ||
           function.starts_with("runtime/internal/syscall.");
  };
  const auto caller = std::find_if(
      stack.frames.begin(), stack.frames.end(),
      [&](const NamedFrame& frame) { return frame.own || !calls_the_kernel(frame.function); });
  return caller != stack.frames.end() && !caller->own &&
         caller->function != "runtime.netpollopen" &&
         (caller->function.starts_with("runtime.") ||
          caller->function.starts_with("internal/runtime/"));
}

LeftOpen opened_at(const ConnectionFacts& facts, StackId by, const Histories& histories,
                   const StackBook& stacks) {
  LeftOpen place;
  place.kind = facts.kind;
  place.role = facts.role;
  const auto stack = stacks.find(by);
  if (by == kNoStack || stack == stacks.end()) {
    place.by = OpenedBy::kUnseen;
    return place;
  }
  if (opened_by_runtime(stack->second)) {
    place.by = OpenedBy::kRuntime;
    return place;
  }
  for (const NamedFrame& frame : stack->second.frames) {
    // Of one that was gone before a scan the kernel does not tell any more that it listened.
    if (place.role == Role::kUnknown && frame.function.starts_with("net.(*sysListener).")) {
      place.role = Role::kListener;
    }
    if (frame.own && place.frames.size() < kMostFrames) place.frames.push_back(site_of(frame));
  }
  if (!place.frames.empty()) return place;
  place.by = OpenedBy::kNoOwnCode;
  const auto process = histories.processes.find(facts.opener);
  const auto exe = process == histories.processes.end() ? "" : process->second.exe;
  if (auto unnamed = unnamed_place(stack->second.frames, exe); unnamed && !is_interpreter(exe)) {
    place.frames = {{*std::move(unnamed), "", 0}};
  }
  return place;
}

}  // namespace

std::vector<LeftOpen> left_open(const Histories& histories, const StackBook& stacks) {
  using Line = std::tuple<std::string, std::string, uint32_t>;
  std::map<std::tuple<OpenedBy, Kind, Role, bool, std::vector<Line>>, LeftOpen> places;
  const auto add = [&](LeftOpen place, uint64_t count) {
    std::vector<Line> lines;
    for (const Site& site : place.frames) lines.emplace_back(site.function, site.file, site.line);
    const auto [known, added] = places.try_emplace(
        {place.by, place.kind, place.role, place.duplicated, std::move(lines)}, std::move(place));
    known->second.count += count;
  };
  for (const History& history : histories.open) {
    const auto& facts = history.facts;
    if (facts.before_attach) continue;
    add(opened_at(facts, facts.opened.stack, histories, stacks), history.stands_for);
    if (!facts.duplicated || history.descriptors.size() < 2) continue;
    LeftOpen copies = opened_at(facts, facts.duplicated->stack, histories, stacks);
    copies.duplicated = true;
    add(std::move(copies), history.descriptors.size() - 1);
  }
  std::vector<LeftOpen> sorted;
  for (auto& [key, place] : places) sorted.push_back(std::move(place));
  std::stable_sort(sorted.begin(), sorted.end(), [](const LeftOpen& a, const LeftOpen& b) {
    return std::pair(a.by, b.count) < std::pair(b.by, a.count);
  });
  return sorted;
}

}  // namespace unclosed
