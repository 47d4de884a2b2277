// Further numbers of a file that is open already: each dup, or each receipt over a unix socket,
// takes one, and only growth tells that nobody gives them back.
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "judge/bench.h"
#include "judge/evidence/evidence.h"
#include "judge/findings.h"
#include "judge/fingerprint.h"

namespace unclosed {
namespace {

// The copies that one process made of a file: of several, the one with the most.
std::vector<const Copy*> copies_of(const History& history) {
  std::map<ProcessId, std::vector<const Copy*>> by_process;
  for (const Copy& copy : history.copies) by_process[copy.place.process].push_back(&copy);
  std::vector<const Copy*> most;
  for (auto& [process, copies] : by_process) {
    if (copies.size() > most.size()) most = std::move(copies);
  }
  return most;
}

// When the copies that are left were made, over the time that was looked.
struct CopyRise {
  static constexpr size_t kParts = 8;
  std::array<size_t, kParts> made{};
  Duration part{};
  Duration span{};

  CopyRise(const std::vector<const Copy*>& copies, Instant start, Instant end) : span(end - start) {
    part = std::max<Duration>(span / kParts, Duration(1));
    for (const Copy* copy : copies) {
      const auto at = (copy->made.at - start) / part;
      ++made[static_cast<size_t>(std::clamp<int64_t>(at, 0, kParts - 1))];
    }
  }
  size_t hit() const {
    return kParts - static_cast<size_t>(std::count(made.begin(), made.end(), 0U));
  }
  size_t between(size_t from, size_t to) const {
    size_t sum = 0;
    for (size_t i = from; i < to; ++i) sum += made[i];
    return sum;
  }
};

// They kept coming, and the first of them are left as well as the last.
bool rises(const CopyRise& rise, size_t all, const Policy& policy) {
  return rise.span >= policy.rise_floor() && all >= 2 * policy.many_floor &&
         rise.hit() >= policy.rising_windows && rise.between(0, 4) * 4 >= all &&
         rise.between(4, 8) * 4 >= all && rise.between(6, 8) * 10 >= all;
}

// Whether nothing else of the process grew along, so that nothing needs them.
bool alone(const Scene& scene, const ProcessId& process, size_t copies) {
  const auto course = scene.histories.used_course.find(process);
  if (course == scene.histories.used_course.end() || course->second.size() < 2) return false;
  const uint64_t first = course->second.front().second;
  const uint64_t last = course->second.back().second;
  return last > first && static_cast<double>(last - first) < 1.2 * static_cast<double>(copies);
}

Evidence risen(const CopyGroup& group, const CopyRise& rise, bool alone_grew) {
  const bool one = group.members.size() == 1;
  return {"rising-copies", Family::kGrowth, true, alone_grew,
          fmt::format("further numbers of {} open already came in {} of {} parts of {} each, and "
                      "none of these {} was closed{}",
                      one ? "one file that is" : "files that are", rise.hit(), rise.kParts,
                      text_of(rise.part), group.copies.size(),
                      alone_grew ? "; nothing else of the process grew along" : "")};
}

void blame_copies(Finding& finding, const Site& site, CopyHow how) {
  if (site.function.empty()) {
    finding.no_blame_reason = "the stacks of the calls that made them hold no code of yours";
    return;
  }
  const bool received = how == CopyHow::kReceived;
  (received ? finding.received : finding.duplicated) = site;
  finding.blame = Blame{BlameRole::kOpened, site,
                        received ? "receipt: each of these numbers came over a socket there"
                                 : "duplication: each of these numbers was made there",
                        0.9};
}

}  // namespace

// What is open under many numbers of one process, by the line that made these.
Bench::CopyGroups Bench::gather_copies() const {
  CopyGroups groups;
  for (const auto& member : x_scene.members) {
    const auto copies = copies_of(*member.history);
    if (copies.size() < x_scene.policy.many_floor || x_taken.contains(&member)) continue;
    for (const Copy* copy : copies) {
      const auto* view = x_scene.stacks.own_view(copy->made.stack);
      const Site site = view == nullptr ? Site{} : site_of(*view->own.back().frame);
      CopyGroup& group =
          groups[{site.function, site.file, site.line, member.facts->kind, copy->how}];
      group.copies.push_back(copy);
      if (group.members.empty() || group.members.back() != &member) group.members.push_back(&member);
    }
  }
  return groups;
}

void Bench::try_copies() {
  const Policy& policy = x_scene.policy;
  for (const auto& [key, group] : gather_copies()) {
    const auto& [function, file, line, kind, how] = key;
    Instant end = x_scene.now() - policy.settled_floor();
    for (const Copy* copy : group.copies) end = std::max(end, copy->made.at);
    const CopyRise rise(group.copies, x_scene.histories.attached, end);
    const size_t all = group.copies.size();
    if (!rises(rise, all, policy)) continue;
    const bool lasting = rise.span >= policy.long_rise_floor() && rise.hit() + 1 >= rise.kParts &&
                         alone(x_scene, group.copies.front()->place.process, all);
    Finding finding;
    finding.kind = kind;
    finding.role = group.members.front()->facts->role;
    finding.verdict = lasting ? Verdict::kLeaking : Verdict::kSuspect;
    finding.diagnosis = Diagnosis::kLeak;
    finding.count = finding.copies = all;
    finding.growth_per_minute = static_cast<double>(all) / (seconds(rise.span) / 60);
    finding.evidence.push_back(risen(group, rise, lasting));
    blame_copies(finding, {function, file, line}, how);
    if (const auto* opened = x_scene.stacks.own_view(group.members.front()->facts->opened.stack)) {
      finding.opened = site_of(*opened->own.back().frame);
    }
    for (const Member* member : group.members) {
      finding.connections.push_back(found(x_scene, *member));
      finding.descriptors += member->history->descriptors.size();
      x_taken.insert(member);
    }
    finding.fingerprint =
        fingerprint(how == CopyHow::kReceived ? "received" : "duplicated", to_string(kind),
                    {function.empty() ? "nobody" : function});
    x_judgement.findings.push_back(std::move(finding));
  }
}

}  // namespace unclosed
