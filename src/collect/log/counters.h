// Counters of pools as services publish them: sql.DBStats as JSON, also within expvar's
// /debug/vars or another JSON document, and Prometheus text of go_sql_*, hikaricp_*, pgxpool_*,
// db_client_connection_* and their like. A capture is one moment. It cannot know when it was taken:
// several are in the order in which they are given. Pure; any thread.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "model/trouble.h"

namespace unclosed {

struct Counters {
  std::vector<PoolSample> pools;
  ProcessGauges process;
};

// Whether the start of a text looks like Prometheus' text format.
bool looks_like_prometheus(std::string_view start);
// Lines that are none are skipped: also a cut capture is read.
Counters read_prometheus(std::string_view text);

// kCorrupt: not JSON up to its end; what was read before the damage is lost.
Result<Counters> read_counters_json(std::string_view text);

}  // namespace unclosed
