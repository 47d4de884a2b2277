#include "collect/pprof/captured.h"

#include <algorithm>

namespace unclosed {
namespace {

int64_t value_in(const Captured& captured, uint64_t key) {
  const auto found = captured.values.find(key);
  return found == captured.values.end() ? 0 : found->second;
}

// Most grown first; what did not grow keeps its order.
template <class Site, class Growth>
void sort_by(std::vector<Site>& sites, Growth growth) {
  std::stable_sort(sites.begin(), sites.end(),
                   [&](const Site& a, const Site& b) { return growth(a) > growth(b); });
}

}  // namespace

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
  sort_by(capture.groups, [](const GoroutineGroup& group) { return *group.growth; });
  sort_by(capture.allocations, [](const AllocationSite& site) { return *site.growth_bytes; });
  sort_by(capture.contentions, [](const ContentionSite& site) { return *site.growth_seconds; });
}

}  // namespace unclosed
