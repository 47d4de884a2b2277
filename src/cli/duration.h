// Durations as people type them, and the option that takes one. Pure; any thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/result.h"

namespace CLI {
class App;
}

namespace unclosed {

// "60s", "2m", "1m30s", "1.5h", "500ms", "2d", or a plain number of seconds; above zero and at most
// ten years. kUsage says what is wrong.
Result<Duration> parse_duration(std::string_view text);

// Adds `--for TIME` to `command`; `window` is left alone where it is not given.
void add_window_option(CLI::App& command, std::optional<Duration>& window,
                       const std::string& description);

}  // namespace unclosed
