// What counters of a pool say: whether it is exhausted, and how it went from the first sample to
// the last. A single sample tells no course. Pure.
#pragma once

#include <string>
#include <vector>

#include "model/trouble.h"

namespace unclosed {

// All samples of one pool, in their order.
struct PoolCourse {
  std::vector<PoolSample> samples;

  const PoolSample& first() const { return samples.front(); }
  const PoolSample& last() const { return samples.back(); }
};
// By source format and name; counters that were reset in between (a restart) begin anew.
std::vector<PoolCourse> pool_courses(const std::vector<PoolSample>& samples);

// Every connection that it may have is in use; without a bound, every one that it has.
bool all_in_use(const PoolSample& sample);
// All in use, and somebody waits, or more had to wait than before, or it was so in every one of
// several samples.
bool is_exhausted(const PoolCourse& course);
// The share of its bound, or of what it has open, that is in use.
double fullness(const PoolSample& sample);

// What the counters say of giving back: they move on, stand still, or do not tell.
enum class Pace : uint8_t { kNotTold, kStill, kMoving, kSlowly };
inline constexpr double kLongUse = 1.0;  // seconds that a use takes on average
Pace pace_of(const PoolCourse& course);

// "50 of 50 in use, none idle, 731 waiting".
std::string pool_words(const PoolSample& sample);

}  // namespace unclosed
