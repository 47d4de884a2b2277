#include "collect/pprof/captured.h"

#include <algorithm>

namespace unclosed {
namespace {

// So many more are met by chance: somebody who is just served, or seen in another state than
// before.
constexpr int64_t kComeAndGo = 2;

// In a capture whose values were sorted.
int64_t value_in(const Captured& captured, uint64_t key) {
  const auto found =
      std::lower_bound(captured.values.begin(), captured.values.end(), std::pair(key, INT64_MIN));
  return found == captured.values.end() || found->first != key ? 0 : found->second;
}

// Most grown first; what did not grow keeps its order.
template <class Site, class Growth>
void sort_by(std::vector<Site>& sites, Growth growth) {
  std::stable_sort(sites.begin(), sites.end(),
                   [&](const Site& a, const Site& b) { return growth(a) > growth(b); });
}

// Growth and course of `last` against all of `before`, oldest first.
void compare(const std::vector<const Captured*>& before, Captured& last) {
  if (before.empty()) return;
  const Captured& first = *before.front();
  GoroutineCapture& capture = last.capture;
  if (first.taken_ns && last.taken_ns && !capture.seconds_between)
    capture.seconds_between = static_cast<double>(*last.taken_ns - *first.taken_ns) / 1e9;
  if (last.kind == ProfileKind::kGoroutines)
    capture.growth = static_cast<int64_t>(capture.goroutines - first.capture.goroutines);
  const bool comparable = std::all_of(before.begin(), before.end(), [&](const Captured* one) {
    return one->form == last.form && one->kind == last.kind;
  });
  if (!comparable) {
    capture.notes.push_back(
        "the captures were taken in different forms, which name different frames: the growth of "
        "single stacks is not told; take them all with the same debug= parameter");
    return;
  }
  for (GoroutineGroup& group : capture.groups) {
    group.course.clear();
    for (const Captured* one : before)
      group.course.push_back(static_cast<uint64_t>(value_in(*one, group.key)));
    group.course.push_back(group.count);
    group.growth = static_cast<int64_t>(group.count - group.course.front());
  }
  for (AllocationSite& site : capture.allocations)
    site.growth_bytes = site.in_use_bytes - value_in(first, site.key);
  for (ContentionSite& site : capture.contentions)
    site.growth_seconds = site.delay_seconds - static_cast<double>(value_in(first, site.key)) / 1e9;
  sort_by(capture.groups, [](const GoroutineGroup& group) {
    return *group.growth > kComeAndGo ? *group.growth : 0;
  });
  sort_by(capture.allocations, [](const AllocationSite& site) { return *site.growth_bytes; });
  sort_by(capture.contentions, [](const ContentionSite& site) { return *site.growth_seconds; });
  if (last.kind == ProfileKind::kHeap && before.back()->values == last.values) {
    capture.notes.push_back(
        "no garbage collection ended between the last two: a heap profile is as of the last one, "
        "and has not moved");
  }
}

void join(std::vector<std::string>& to, std::vector<std::string>& from) {
  for (std::string& note : from)
    if (std::find(to.begin(), to.end(), note) == to.end()) to.push_back(std::move(note));
}

// What `part` has and the others have not.
void take_over(Captured& part, GoroutineCapture& whole) {
  GoroutineCapture& from = part.capture;
  if (!whole.damaged_at) whole.damaged_at = from.damaged_at;
  if (!whole.seconds_between) whole.seconds_between = from.seconds_between;
  join(whole.notes, from.notes);
  switch (part.kind) {
    case ProfileKind::kGoroutines:
      for (GoroutineGroup& group : from.groups)
        if (part.name == "goroutineleak") group.leaked = group.count;
      if (part.name == "goroutineleak" && whole.goroutines > 0) {
        whole.leaked = std::move(from.groups);
        break;
      }
      if (!from.rung.empty()) whole.rung = from.rung;
      whole.goroutines = from.goroutines;
      whole.growth = from.growth;
      whole.groups = std::move(from.groups);
      whole.others = from.others;
      break;
    case ProfileKind::kHeap:
      whole.allocations = std::move(from.allocations);
      break;
    case ProfileKind::kContention:
      std::move(from.contentions.begin(), from.contentions.end(),
                std::back_inserter(whole.contentions));
      break;
  }
}

}  // namespace

GoroutineCapture combine(std::vector<Captured> profiles) {
  GoroutineCapture whole;
  whole.rung = "pprof";
  // The goroutines come first: what else there is goes with them.
  std::vector<std::string> names = {"goroutine"};
  for (const Captured& one : profiles)
    if (std::find(names.begin(), names.end(), one.name) == names.end()) names.push_back(one.name);
  for (const std::string& name : names) {
    std::vector<const Captured*> before;
    Captured* last = nullptr;
    for (Captured& one : profiles) {
      if (one.name != name) continue;
      if (last != nullptr) before.push_back(last);
      last = &one;
    }
    if (last == nullptr) continue;
    for (Captured& one : profiles)
      if (one.name == name && !before.empty()) std::sort(one.values.begin(), one.values.end());
    compare(before, *last);
    for (const Captured* one : before) {
      if (!one->capture.damaged_at) continue;
      last->capture.notes.push_back(one->capture.source + " is damaged from byte " +
                                    std::to_string(*one->capture.damaged_at) + " on");
    }
    take_over(*last, whole);
  }
  return whole;
}

}  // namespace unclosed
