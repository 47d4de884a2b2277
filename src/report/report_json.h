// The report as one JSON document, schema "unclosed.report/1". Fields may be added, never renamed.
// Pure; any thread.
#pragma once

#include <cstddef>
#include <string>

#include "model/report.h"

namespace unclosed {

struct JsonOptions {
  size_t most_connections =
      100;  // listed for each finding; the rest is counted in connections_omitted
};

std::string report_json(const Report& report, const JsonOptions& options);

}  // namespace unclosed
