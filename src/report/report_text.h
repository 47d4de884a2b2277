// The report for a person at a terminal: verdict, lines of code with their source, evidence,
// countdown, coverage. Pure but for the source reader it is given; any thread.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "model/report.h"

namespace unclosed {

struct SourceLine {
  uint32_t number = 0;
  std::string text;
};
// The lines [first, last] of a source file as far as it can be read; empty when it cannot.
using SourceReader =
    std::function<std::vector<SourceLine>(const std::string& file, uint32_t first, uint32_t last)>;

struct TextOptions {
  bool colour = false;
  size_t width = 100;             // columns
  bool all_groups = false;        // also cohorts that are healthy or held
  std::string next_command = {};  // printed last; "" for none
};

std::string report_text(const Report& report, const TextOptions& options,
                        const SourceReader& source);

}  // namespace unclosed
