// Limits with their countdown and their diagnosis. Pure; any thread.
#pragma once

#include <optional>
#include <utility>
#include <vector>

#include "judge/scene.h"
#include "model/finding.h"

namespace unclosed {

using UseCourse = std::vector<std::pair<Instant, uint64_t>>;

// Growth per second: the median of the slopes between all pairs of (at most some hundred) points,
// so that no burst bends it. nullopt: too few points, or it does not keep growing.
std::optional<double> growing_slope(const UseCourse& course);

std::vector<Limit> weigh_limits(const Scene& scene, const std::vector<Finding>& findings);

// What the open connections of one group suffer from, when it is no leak.
Diagnosis diagnose(const Scene& scene, const std::vector<const Member*>& members);

}  // namespace unclosed
