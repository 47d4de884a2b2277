#include "judge/case.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "judge/silence.h"

namespace unclosed {
namespace {

// The moment from which a member was left alone; nullopt when that was before the attach.
std::optional<Instant> arrival(const Scene& scene, const Member& member) {
  Instant at = member.facts->opened.at;
  if (member.facts->role == Role::kServer && member.gone_at) {
    at = *member.gone_at;
  } else if (member.tracked) {
    at = member.idle_since;
  } else if (member.facts->before_attach) {
    return std::nullopt;
  }
  if (at <= scene.histories.attached) return std::nullopt;
  // What a scan at the attach found is not an arrival.
  if (member.facts->before_attach && member.idle_since == member.history->first_seen) {
    return std::nullopt;
  }
  return at;
}

// Probability that at most `most` of `n` fall into a share `p` of the time.
double at_most(uint32_t most, uint32_t n, double p) {
  double term = std::pow(1 - p, n);
  double sum = term;
  for (uint32_t k = 1; k <= most && k <= n; ++k) {
    term *= (n - k + 1.0) / k * (p / (1 - p));
    sum += term;
  }
  return sum;
}

struct Floors {
  uint32_t open = 0, unused = 0;
};

// The raw cohorts that the members come from, and those opened before the attach beside them.
enum class Older { kBeside, kLeftOut };
std::set<const Cohort*> cohorts_of(const Case& item, Older older = Older::kBeside) {
  std::set<const Cohort*> cohorts;
  const auto& all = item.scene->histories.cohorts;
  for (const size_t index : item.siblings) {
    const auto& group = item.scene->siblings[index];
    for (size_t i = 0; i < group.keys.size(); ++i) {
      if (item.keys.contains(group.keys[i])) cohorts.insert(group.cohorts[i]);
    }
  }
  if (older == Older::kLeftOut) return cohorts;
  // Who dialled is learned later than at the first scan: until then they stand elsewhere.
  for (const Role role : {item.role, Role::kUnknown}) {
    const auto old = all.find({kNoStack, item.kind, role, item.peer});
    if (old != all.end()) cohorts.insert(&old->second);
  }
  return cohorts;
}

// Whether new ones were opened from `from` on, at least `least`: a set of which more and more are
// left alone, while none is opened, is a pool after its busiest time.
bool kept_opening(const std::set<const Cohort*>& cohorts, Instant from, double least) {
  size_t count = 0;
  for (const auto* cohort : cohorts) {
    if (cohort->openings.size() == Cohort::kMostOpenings) return true;
    count += static_cast<size_t>(std::count_if(cohort->openings.begin(), cohort->openings.end(),
                                               [&](Instant at) { return at >= from; }));
  }
  return static_cast<double>(count) >= least;
}

// The least sum of the cohorts' courses in each quarter of the window.
std::optional<std::array<Floors, 4>> quarter_floors(const Case& item,
                                                    const std::set<const Cohort*>& cohorts) {
  const Instant start = item.scene->histories.attached;
  const Duration quarter = (item.scene->now() - start) / 4;
  // Every scan, also those before the first member came.
  std::set<Instant> times;
  for (const auto& point : item.scene->histories.descriptors_course) times.insert(point.at);
  if (times.size() < 4 || quarter.count() <= 0) return std::nullopt;
  std::vector<std::pair<const std::vector<CohortPoint>*, size_t>> cursors;
  for (const auto* cohort : cohorts) cursors.emplace_back(&cohort->course, 0);
  std::array<Floors, 4> floors;
  std::array<bool, 4> seen{};
  for (const Instant at : times) {
    Floors sum;
    for (auto& [course, next] : cursors) {
      while (next < course->size() && (*course)[next].at <= at) ++next;
      if (next == 0) continue;
      sum.open += (*course)[next - 1].open;
      sum.unused += (*course)[next - 1].unused;
    }
    const auto index = static_cast<size_t>(std::clamp<int64_t>((at - start) / quarter, 0, 3));
    if (!seen[index]) {
      floors[index] = sum;
      seen[index] = true;
    } else {
      floors[index] = {std::min(floors[index].open, sum.open),
                       std::min(floors[index].unused, sum.unused)};
    }
  }
  if (!seen[0] || !seen[1] || !seen[3]) return std::nullopt;
  return floors;
}

// How long it takes until one that is left alone is known as such. Where siblings are usually idle
// for longer, or lie passed over for a while, only dials tell, and those take their time.
Duration until_known(const Case& item) {
  if (!item.members.front()->tracked) return item.main_siblings().outlived.value_or(Duration{});
  std::vector<Duration> delays;
  for (const auto* member : item.members) {
    const auto& group = item.scene->siblings_of(*member);
    if (member->silent) delays.push_back(silence_floor(item.scene->policy));
    if (member->passed_over && std::max(group.settled, group.passed) > member->settled) {
      delays.push_back(std::max(member->until_passed, group.passed));
    }
  }
  if (delays.size() * 2 <= item.members.size()) return {};
  std::sort(delays.begin(), delays.end());
  return delays[delays.size() * 9 / 10];
}

// An unread answer, or an accepted connection whose client has gone, is no healthy idle one that
// another replaces: those that came and stayed are the rise.
bool cannot_wait(const Case& item) {
  const auto certain =
      std::count_if(item.members.begin(), item.members.end(), [](const Member* member) {
        return member->unread || (member->gone_at && member->facts->role == Role::kServer);
      });
  return static_cast<size_t>(certain) * 2 > item.members.size();
}

Rise measure(const Case& item) {
  Rise rise;
  const Scene& scene = *item.scene;
  std::vector<Instant> arrivals;
  for (const auto* member : item.members) {
    if (const auto at = arrival(scene, *member)) arrivals.push_back(*at);
  }
  std::sort(arrivals.begin(), arrivals.end());
  rise.arrivals = static_cast<uint32_t>(arrivals.size());
  const Instant start = scene.histories.attached;
  if (arrivals.size() < 3) return rise;
  const Instant end =
      std::max(scene.now() - std::max(item.settled, until_known(item)), arrivals.back());
  if (end - start < scene.policy.rise_floor()) return rise;
  const bool certain = cannot_wait(item);
  // Those need no comparison with others, so that finer windows will do.
  if (certain) rise.windows *= 2;
  const double span = seconds(end - start);
  rise.window = (end - start) / rise.windows;
  std::vector<uint32_t> counts(rise.windows);
  uint32_t last_quarter = 0;
  uint32_t last_half = 0;
  for (const Instant at : arrivals) {
    const double part = std::clamp(seconds(at - start) / span, 0.0, 0.999999);
    ++counts[static_cast<size_t>(part * rise.windows)];
    if (part >= 0.75) ++last_quarter;
    if (part >= 0.5) ++last_half;
  }
  for (const uint32_t count : counts) rise.windows_hit += count > 0 ? 1 : 0;
  const uint32_t n = rise.arrivals;
  const auto stopped = [&](uint32_t late, double share) {
    return late < 0.5 * share * n && at_most(late, n, share) < 0.0002;
  };
  const double trailing = std::clamp(seconds(end - arrivals.back()) / span, 0.0, 1.0);
  const bool still = std::pow(1 - trailing, n) > 0.0001;
  const uint32_t most = *std::max_element(counts.begin(), counts.end());
  rise.steady = rise.windows_hit >= std::min(scene.policy.rising_windows, n) && still &&
                !stopped(last_quarter, 0.25) && !stopped(last_half, 0.5) && most <= 0.7 * n;
  rise.even = rise.steady && end - start >= scene.policy.long_rise_floor() &&
              n >= 2 * scene.policy.many_floor &&
              rise.windows_hit * 8 >= rise.windows * 7 && most <= 0.4 * n;
  const auto cohorts = cohorts_of(item);
  const auto floors = quarter_floors(item, cohorts);
  if (!floors) {
    rise.steady = rise.even = false;
    return rise;
  }
  // Told of the members' own cohorts: those from before the attach only where some are members.
  const bool older = std::any_of(item.members.begin(), item.members.end(),
                                 [](const Member* one) { return one->facts->before_attach; });
  const auto told = older ? floors : quarter_floors(item, cohorts_of(item, Older::kLeftOut));
  rise.first_floor = (*told)[0].unused;
  rise.last_floor = (*told)[3].unused;
  const auto grown = [&](size_t from) {
    return std::max(int64_t{(*floors)[3].open} - (*floors)[from].open,
                    int64_t{(*floors)[3].unused} - (*floors)[from].unused);
  };
  // Of n that came evenly, three quarters lie between the floors of the first and last quarter,
  // half between those of the second and last; half of that must have stayed.
  rise.bounded = static_cast<double>(grown(0)) < 0.35 * n ||
                 static_cast<double>(grown(1)) < std::max(1.0, 0.2 * n) ||
                 !kept_opening(cohorts, start + (end - start) / 4, 0.3 * n);
  if (certain) rise.bounded = false;
  if (rise.bounded) rise.steady = rise.even = false;
  return rise;
}

}  // namespace

Case make_case(const Scene& scene, std::vector<const Member*> members, uint64_t healed) {
  Case item;
  item.scene = &scene;
  item.members = std::move(members);
  item.healed = healed;
  std::map<size_t, size_t> weight;
  std::map<std::pair<Duration, Duration>, size_t> thresholds;
  for (const auto* member : item.members) {
    ++weight[member->siblings];
    ++thresholds[{member->settled, member->far}];
    if (member->key != nullptr) item.keys.insert(member->key);
  }
  std::tie(item.settled, item.far) =
      std::max_element(thresholds.begin(), thresholds.end(), [](const auto& a, const auto& b) {
        return a.second < b.second;
      })->first;
  for (const auto& [index, count] : weight) item.siblings.push_back(index);
  std::stable_sort(item.siblings.begin(), item.siblings.end(),
                   [&](size_t a, size_t b) { return weight[a] > weight[b]; });
  const auto& first = *item.members.front();
  item.kind = first.facts->kind;
  item.role = first.facts->role;
  std::set<std::string> peers;
  for (const auto* member : item.members) peers.insert(scene.siblings_of(*member).peer);
  item.peers = peers.size();
  item.peer = item.peers == 1 ? *peers.begin() : fmt::format("({} peers)", item.peers);
  for (const auto* key : item.keys) {
    if (key->opened == kNoStack) continue;
    const auto& cohort = scene.histories.cohorts.at(*key);
    item.opened_here += cohort.opened;
    item.closed_here += cohort.closed;
  }
  item.rise = measure(item);
  return item;
}

}  // namespace unclosed
