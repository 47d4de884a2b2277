#include "judge/left_open.h"

#include <algorithm>
#include <map>
#include <set>
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

// Descriptors by where they were opened.
class Places {
 public:
  void add(LeftOpen place, uint64_t count) {
    if (count == 0) return;
    std::vector<Line> lines;
    for (const Site& site : place.frames) lines.emplace_back(site.function, site.file, site.line);
    const auto [known, added] =
        x_places.try_emplace({place.by, place.kind, place.role, place.duplicated, place.received,
                              std::move(lines)},
                             std::move(place));
    known->second.count += count;
  }
  // Own code first, and the most first.
  std::vector<LeftOpen> sorted() && {
    std::vector<LeftOpen> sorted;
    for (auto& [key, place] : x_places) sorted.push_back(std::move(place));
    std::stable_sort(sorted.begin(), sorted.end(), [](const LeftOpen& a, const LeftOpen& b) {
      return std::pair(a.by, b.count) < std::pair(b.by, a.count);
    });
    return sorted;
  }

 private:
  using Line = std::tuple<std::string, std::string, uint32_t>;
  std::map<std::tuple<OpenedBy, Kind, Role, bool, bool, std::vector<Line>>, LeftOpen> x_places;
};

// How many of its numbers nobody was seen copying; one that a child inherited is as its parent's.
uint64_t not_copied(const History& history) {
  std::set<int> copied;
  for (const Copy& copy : history.copies) copied.insert(copy.place.fd);
  return static_cast<uint64_t>(
      std::count_if(history.descriptors.begin(), history.descriptors.end(),
                    [&](const Descriptor& one) { return !copied.contains(one.fd); }));
}

// What replaced a standard stream is nobody's to close.
bool standard(const Descriptor& place) { return place.fd <= 2; }

// Whether none but programs have it that knew nothing of it: it was left to them across exec. Where
// whoever opened it ended before them, it may have had it open then.
bool given_to_others(const History& history, const Histories& histories) {
  const auto& all = history.descriptors;
  const auto opener = histories.ended.find(history.facts.opener);
  return !all.empty() && std::all_of(all.begin(), all.end(), [&](const Descriptor& one) {
    const auto holder = histories.ended.find(one.process);
    const bool outlived = opener != histories.ended.end() && holder != histories.ended.end() &&
                          opener->second < holder->second;
    return one.process != history.facts.opener && histories.executed.contains(one.process) &&
           !outlived;
  });
}

// Each number that was copied, where it was.
void add_copies(const History& history, const Histories& histories, const StackBook& stacks,
                Places& places) {
  for (const Copy& copy : history.copies) {
    if (standard(copy.place)) continue;
    LeftOpen place = opened_at(history.facts, copy.made.stack, histories, stacks);
    place.duplicated = copy.how == CopyHow::kDuplicated;
    place.received = copy.how == CopyHow::kReceived;
    places.add(std::move(place), history.stands_for);
  }
}

}  // namespace

std::vector<LeftOpen> left_open(const Histories& histories, const StackBook& stacks) {
  Places places;
  for (const History& history : histories.open) {
    const auto& facts = history.facts;
    if (given_to_others(history, histories)) continue;
    add_copies(history, histories, stacks, places);
    const uint64_t others = not_copied(history);
    if (facts.before_attach || (others == 0 && !history.copies.empty())) continue;
    const auto& numbers = history.descriptors;
    const bool unseen = facts.opened.stack == kNoStack && !numbers.empty();
    if ((facts.copied_from || unseen) && std::all_of(numbers.begin(), numbers.end(), standard)) {
      continue;
    }
    LeftOpen place = opened_at(facts, facts.opened.stack, histories, stacks);
    place.duplicated = facts.copied_from && facts.duplicated;
    place.received = facts.copied_from && !facts.duplicated;
    places.add(std::move(place), history.stands_for);
    if (!facts.duplicated || others < 2) continue;
    LeftOpen copies = opened_at(facts, facts.duplicated->stack, histories, stacks);
    copies.duplicated = true;
    places.add(std::move(copies), others - 1);
  }
  return std::move(places).sorted();
}

std::vector<LeftOpen> left_behind(const Histories& histories, const StackBook& stacks) {
  Places places;
  for (const LeftCount& left : histories.left_behind) {
    ConnectionFacts facts;
    facts.kind = left.kind;
    facts.role = left.role;
    facts.opener = left.opener;
    places.add(opened_at(facts, left.opened, histories, stacks), left.count);
  }
  return std::move(places).sorted();
}

}  // namespace unclosed
