// Durations as people type them. Pure; any thread.
#pragma once

#include <string_view>

#include "base/clock.h"
#include "base/result.h"

namespace unclosed {

// "60s", "2m", "1m30s", "1.5h", "500ms", "2d", or a plain number of seconds; above zero and at most
// ten years. kUsage says what is wrong.
Result<Duration> parse_duration(std::string_view text);

}  // namespace unclosed
