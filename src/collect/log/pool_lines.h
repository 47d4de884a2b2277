// Counters of pools that stand in lines of a log: what pools write when they give up, or now and
// then, and sql.DBStats as Go's %+v prints it. Pure; any thread.
#pragma once

#include <optional>
#include <string_view>

#include "model/trouble.h"

namespace unclosed {

// nullopt: the line has none. `source` and `line` are left to the caller.
std::optional<PoolSample> pool_in_line(std::string_view line);

// A duration of Go, "1m2.5s", in seconds; nullopt: it is none.
std::optional<double> go_seconds(std::string_view text);

}  // namespace unclosed
