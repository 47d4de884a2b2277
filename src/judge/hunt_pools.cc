#include "judge/hunt_pools.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

namespace unclosed {
namespace {

constexpr double kShortWait = 0.1;  // seconds
constexpr double kManyWaits = 10;   // whose mean tells something

// The rise of a total; nullopt: one of both is not told, or it was reset.
std::optional<double> rise(const std::optional<double>& before,
                           const std::optional<double>& after) {
  if (!before || !after || *after < *before) return std::nullopt;
  return *after - *before;
}

bool was_reset(const PoolSample& before, const PoolSample& after) {
  const auto fell = [](const std::optional<double>& a, const std::optional<double>& b) {
    return a && b && *b < *a;
  };
  return fell(before.wait_count, after.wait_count) || fell(before.uses, after.uses) ||
         fell(before.timeouts, after.timeouts);
}

}  // namespace

std::vector<PoolCourse> pool_courses(const std::vector<PoolSample>& samples) {
  std::vector<PoolCourse> courses;
  std::map<std::pair<std::string, std::string>, size_t> known;
  for (const PoolSample& sample : samples) {
    const auto [at, fresh] = known.try_emplace({sample.format, sample.name}, courses.size());
    if (fresh) courses.emplace_back();
    auto& course = courses[at->second].samples;
    if (!course.empty() && was_reset(course.back(), sample)) course.clear();
    course.push_back(sample);
  }
  return courses;
}

bool all_in_use(const PoolSample& sample) {
  if (sample.in_use.value_or(0) < 1) return false;
  const auto& most = sample.max ? sample.max : sample.open;
  return most && *sample.in_use >= *most;
}

bool is_exhausted(const PoolCourse& course) {
  const PoolSample& last = course.last();
  if (!all_in_use(last)) return false;
  if (last.waiting.value_or(0) > 0) return true;
  // A single moment tells no rise: that some had to wait before has to do.
  if (course.samples.size() == 1) return last.wait_count.value_or(0) > 0;
  if (rise(course.first().wait_count, last.wait_count).value_or(0) > 0) return true;
  if (rise(course.first().timeouts, last.timeouts).value_or(0) > 0) return true;
  return last.max && std::all_of(course.samples.begin(), course.samples.end(), all_in_use);
}

double fullness(const PoolSample& sample) {
  const double most = sample.max ? *sample.max : sample.open.value_or(0);
  return most > 0 ? sample.in_use.value_or(0) / most : 0;
}

Pace pace_of(const PoolCourse& course) {
  if (course.samples.size() < 2) return Pace::kNotTold;
  const PoolSample& was = course.first();
  const PoolSample& now = course.last();
  if (const auto uses = rise(was.uses, now.uses)) {
    if (*uses == 0) return Pace::kStill;
    if (const auto seconds = rise(was.use_seconds, now.use_seconds))
      return *seconds / *uses >= kLongUse ? Pace::kSlowly : Pace::kMoving;
    // Fewer than a round of the whole pool tells nothing.
    return *uses >= 2 * now.in_use.value_or(0) ? Pace::kMoving : Pace::kNotTold;
  }
  // database/sql adds a wait when it ends, also by giving up: only waits that are shorter than
  // anybody's patience mean that connections come back.
  const auto waits = rise(was.wait_count, now.wait_count);
  const auto waited = rise(was.wait_seconds, now.wait_seconds);
  if (!waits || !waited || *waits == 0) return Pace::kNotTold;
  if (*waited == 0) return Pace::kStill;
  if (*waits < kManyWaits) return Pace::kNotTold;
  return *waited / *waits < kShortWait ? Pace::kMoving : Pace::kNotTold;
}

std::string pool_words(const PoolSample& sample) {
  std::string text;
  const auto add = [&](const std::optional<double>& value, std::string_view what) {
    if (value) text += fmt::format("{}{:.0f} {}", text.empty() ? "" : ", ", *value, what);
  };
  if (sample.in_use && (sample.max || sample.open)) {
    text = fmt::format("{:.0f} of {:.0f} in use", *sample.in_use,
                       sample.max ? *sample.max : *sample.open);
  } else {
    add(sample.in_use, "in use");
  }
  add(sample.idle, "idle");
  add(sample.waiting, "waiting");
  add(sample.wait_count, "waits so far");
  add(sample.timeouts, "gave up so far");
  return text;
}

}  // namespace unclosed
