// What a look did not see, in sentences for the report. Pure; any thread.
#pragma once

#include <string>
#include <vector>

#include "collect/bpf/collector.h"

namespace unclosed {

std::vector<std::string> coverage_notes(const BpfCoverage& seen);

// Descriptors or processes are missing, or stand there without their history.
bool is_incomplete(const BpfCoverage& seen);

}  // namespace unclosed
