#include "judge/limits.h"

#include <algorithm>
#include <cerrno>
#include <set>

#include "judge/alike_pools.h"

namespace unclosed {
namespace {

constexpr size_t kMostPoints = 120;

bool is_ports(const LimitUse& use) { return use.name == "local-ports"; }
bool is_pool(const LimitUse& use) { return use.name == "pool"; }

// Whether the pool has lent it.
bool is_lent(const LimitUse& use, const Descriptor& descriptor) {
  return descriptor.process == use.process &&
         std::find(use.lent.begin(), use.lent.end(), descriptor.fd) != use.lent.end();
}

bool is_limit_error(int error) { return error == EMFILE || error == ENFILE; }

uint64_t failed_opens(const Scene& scene, const ProcessId& process) {
  uint64_t count = 0;
  for (const auto& failure : scene.histories.failures) {
    if (failure.process == process && is_limit_error(failure.errno_value)) count += failure.count;
  }
  return count;
}

// Dials for which there was no local port left.
uint64_t failed_dials(const Scene& scene, const LimitUse& use) {
  uint64_t count = 0;
  for (const auto& failure : scene.histories.failures) {
    if (failure.errno_value != EADDRNOTAVAIL) continue;
    if (!failure.peer.known() || failure.peer.to_string() == use.peer) count += failure.count;
  }
  return count;
}

bool of_the_ended(const Scene& scene, const LimitUse& use) {
  return scene.histories.ended.contains(use.process);
}

// The ports of the whole host are read; only destinations that the targets dial are theirs.
bool concerns(const Scene& scene, const LimitUse& use) {
  if (!is_ports(use)) return true;
  const bool dialled =
      std::any_of(scene.siblings.begin(), scene.siblings.end(), [&](const Siblings& group) {
        return group.kind == Kind::kTcp && group.peer == use.peer &&
               (group.role == Role::kClient || group.role == Role::kUnknown);
      });
  if (dialled) return use.used > 0;
  return std::any_of(
      scene.histories.failures.begin(), scene.histories.failures.end(), [&](const Failed& failure) {
        return failure.errno_value == EADDRNOTAVAIL && failure.peer.to_string() == use.peer;
      });
}

bool counts_for(const Scene& scene, const Member& member, const LimitUse& use) {
  if (is_ports(use)) {
    const bool dialled =
        member.facts->role == Role::kClient || member.facts->role == Role::kUnknown;
    return dialled && member.facts->kind == Kind::kTcp &&
           scene.siblings_of(member).peer == use.peer;
  }
  return std::any_of(member.history->descriptors.begin(), member.history->descriptors.end(),
                     [&](const Descriptor& it) {
                       return is_pool(use) ? is_lent(use, it) : it.process == use.process;
                     });
}

uint64_t leaked_of(const std::vector<Finding>& findings, const LimitUse& use) {
  uint64_t leaked = 0;
  for (const auto& finding : findings) {
    if (finding.copies > 0) {
      const auto& first = finding.connections.front().descriptor.process;
      leaked += !is_ports(use) && !is_pool(use) && first == use.process ? finding.copies : 0;
      continue;
    }
    for (const auto& connection : finding.connections) {
      const bool mine = is_ports(use)  ? finding.peer == use.peer || connection.peer == use.peer
                        : is_pool(use) ? is_lent(use, connection.descriptor)
                                       : connection.descriptor.process == use.process;
      leaked += mine ? 1 : 0;
    }
  }
  return leaked;
}

Diagnosis diagnose_limit(const Scene& scene, const std::vector<Finding>& findings,
                         const Limit& limit, uint64_t failures) {
  const uint64_t leaked = leaked_of(findings, limit.use);
  // One reading of a pool may have met it in a busy moment.
  if (is_pool(limit.use) && leaked == 0) return Diagnosis::kUnknown;
  const bool reached = limit.exhausted_in_seconds == 0.0;
  if (leaked > 0 && (limit.exhausted_in_seconds || leaked * 4 >= limit.use.used)) {
    return Diagnosis::kLeak;
  }
  uint64_t open = 0;
  uint64_t waiting = 0;
  uint64_t abandoned = 0;
  for (const auto& member : scene.members) {
    if (!counts_for(scene, member, limit.use)) continue;
    const uint64_t count = member.history->stands_for;
    open += count;
    const auto& group = scene.siblings_of(member);
    if (member.tracked && member.waiting && member.idle > group.settled) waiting += count;
    if (member.candidate && member.idle > group.far) abandoned += count;
  }
  const bool pressed = reached || failures > 0;
  // Closed properly, but more in a minute than ports come back: nothing leaks.
  if (pressed && limit.use.time_wait * 2 >= limit.use.used && limit.use.used > 0) {
    return Diagnosis::kLimitTooSmall;
  }
  if (open == 0) return Diagnosis::kUnknown;
  if (!pressed && !limit.exhausted_in_seconds) return Diagnosis::kUnknown;
  if (waiting * 2 >= open) return Diagnosis::kSlow;
  if (pressed && abandoned * 2 >= open) return Diagnosis::kLeak;
  if (pressed && !limit.exhausted_in_seconds.value_or(0) && abandoned * 4 < open) {
    return Diagnosis::kLimitTooSmall;
  }
  return Diagnosis::kUnknown;
}

// Seconds until nothing is left, as it grows; nullopt: it does not.
std::optional<double> seconds_left(const UseCourse& course, uint64_t left) {
  const auto slope = growing_slope(course);
  return slope ? std::optional(static_cast<double>(left) / *slope) : std::nullopt;
}

// Ports in TIME_WAIT come back after a minute (TCP_TIMEWAIT_LEN, include/net/tcp.h): so long their
// number grows whenever closing begins, and then it stays. Beyond that only what is held counts.
std::optional<double> seconds_left(const std::vector<LimitPoint>& course, uint64_t left) {
  constexpr double kTimeWait = 60;
  UseCourse used;
  UseCourse held;
  for (const LimitPoint& point : course) {
    used.emplace_back(point.at, point.used);
    held.emplace_back(point.at, point.used - std::min(point.used, point.time_wait));
  }
  const auto slope = growing_slope(used);
  const bool reaches = slope && static_cast<double>(used.front().second) + *slope * kTimeWait >=
                                    static_cast<double>(used.back().second + left);
  return reaches ? static_cast<double>(left) / *slope : seconds_left(held, left);
}

std::optional<double> seconds_left(const Histories& histories, const LimitUse& use) {
  if (is_pool(use)) return std::nullopt;  // read once, at the end
  const uint64_t left = *use.max - std::min(use.used, *use.max);
  if (is_ports(use)) {
    const auto course = histories.limit_course.find(use.key());
    return course == histories.limit_course.end() ? std::nullopt
                                                  : seconds_left(course->second, left);
  }
  const auto course = histories.used_course.find(use.process);
  return course == histories.used_course.end() ? std::nullopt : seconds_left(course->second, left);
}

}  // namespace

std::optional<double> growing_slope(const UseCourse& course) {
  constexpr double kMostlyUp = 0.75;
  if (course.size() < 4) return std::nullopt;
  UseCourse points;
  const size_t step = (course.size() + kMostPoints - 1) / kMostPoints;
  for (size_t i = 0; i < course.size(); i += step) points.push_back(course[i]);
  std::vector<double> slopes;
  size_t up = 0;
  for (size_t i = 0; i < points.size(); ++i) {
    for (size_t j = i + 1; j < points.size(); ++j) {
      const double time = seconds(points[j].first - points[i].first);
      if (time <= 0) continue;
      const double rise =
          static_cast<double>(points[j].second) - static_cast<double>(points[i].second);
      slopes.push_back(rise / time);
      up += rise > 0 ? 1 : 0;
    }
  }
  if (slopes.empty()) return std::nullopt;
  const auto middle = slopes.begin() + static_cast<ptrdiff_t>(slopes.size() / 2);
  std::nth_element(slopes.begin(), middle, slopes.end());
  // The least of each quarter has to rise as well, to the end.
  uint64_t least[4] = {UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX};
  for (size_t i = 0; i < points.size(); ++i) {
    auto& quarter = least[i * 4 / points.size()];
    quarter = std::min(quarter, points[i].second);
  }
  const bool rises = least[3] > least[2] && least[2] >= least[1] && least[1] >= least[0] &&
                     least[3] > least[0] + 1;
  if (*middle <= 0 || !rises ||
      static_cast<double>(up) < kMostlyUp * static_cast<double>(slopes.size())) {
    return std::nullopt;
  }
  return *middle;
}

std::vector<Limit> weigh_limits(const Scene& scene, const std::vector<Finding>& findings) {
  std::vector<Limit> limits;
  const auto uses = join_alike_pools(scene.histories.limits);
  // What a process had when it ended is nobody's limit any more; but when all have, that is told.
  const bool any_left = std::any_of(uses.begin(), uses.end(), [&](const LimitUse& use) {
    return use.name == "nofile" && !of_the_ended(scene, use);
  });
  for (const auto& use : uses) {
    if (!concerns(scene, use) || (any_left && of_the_ended(scene, use))) continue;
    Limit limit;
    limit.use = use;
    const uint64_t failures = is_pool(use)    ? 0
                              : is_ports(use) ? failed_dials(scene, use)
                                              : failed_opens(scene, use.process);
    if (use.max) {
      // Open and refused at the same time: a few numbers are always between two hands.
      const bool reached =
          use.used >= *use.max || (failures > 0 && use.used + 1 + *use.max / 50 >= *use.max);
      limit.exhausted_in_seconds =
          reached ? std::optional(0.0) : seconds_left(scene.histories, use);
    }
    limit.diagnosis = diagnose_limit(scene, findings, limit, failures);
    if (is_pool(use) && limit.diagnosis == Diagnosis::kUnknown) limit.exhausted_in_seconds.reset();
    limits.push_back(std::move(limit));
  }
  return limits;
}

namespace {

// All that there are, none dialled for long, each handed on to the next borrower the moment that it
// is free: whoever hands them out has a queue. Who keeps the same borrower has none.
bool handed_on_at_once(const Scene& scene, const std::vector<const Member*>& members) {
  constexpr uint64_t kManyRequests = 10;
  constexpr double kOfTheTime = 0.25;
  const Duration window = scene.now() - scene.histories.attached;
  const Instant lately = scene.histories.attached + window / 4;
  if (members.size() < 2 || window < scene.policy.settled_floor()) return false;
  for (const auto* member : members) {
    const auto& facts = *member->facts;
    const auto& group = scene.siblings_of(*member);
    if (facts.role == Role::kServer || facts.role == Role::kListener ||
        facts.request_count < kManyRequests || facts.tenure_count * 2 < facts.request_count ||
        group.closed > 0) {
      return false;
    }
    const double each = seconds(std::min(member->age, window)) / facts.request_count;
    if (seconds(facts.longest_idle_gap) > std::max(kOfTheTime * each, 0.02)) return false;
    if (seconds(member->idle) > 4 * each + 0.02) return false;
    for (const auto& [process, times] : group.openings) {
      if (!times.empty() && times.back() > lately) return false;
    }
  }
  return true;
}

}  // namespace

Diagnosis diagnose(const Scene& scene, const std::vector<const Member*>& members) {
  size_t waiting = 0;
  size_t idle = 0;
  std::set<ProcessId> processes;
  for (const auto* member : members) {
    const auto& group = scene.siblings_of(*member);
    processes.insert(member->facts->opener);
    if (!member->tracked) return Diagnosis::kUnknown;
    if (member->waiting && member->idle > group.settled) ++waiting;
    if (!member->waiting && member->idle > group.settled) ++idle;
  }
  if (waiting >= 3 && waiting * 2 >= members.size()) return Diagnosis::kSlow;
  uint64_t failures = 0;
  for (const auto& process : processes) failures += failed_opens(scene, process);
  const bool flat = members.size() >= scene.policy.many_floor && idle * 10 <= members.size();
  if (flat && failures > 0) return Diagnosis::kLimitTooSmall;
  if (handed_on_at_once(scene, members)) return Diagnosis::kLimitTooSmall;
  return Diagnosis::kUnknown;
}

}  // namespace unclosed
