// What `unclosed explain FILE…` reads: logs, captures of counters and profiles, told apart by their
// content, in the order in which they are given. One thread at a time.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "judge/hunt.h"
#include "symbolize/own_rules.h"

namespace unclosed {

// "-" is standard input. Every stack has its own frames marked. UC-E024: a file cannot be read;
// UC-E020: it is binary, and no profile.
Result<HuntInput> read_for_hunt(const std::vector<std::string>& paths, const OwnRules& rules);

}  // namespace unclosed
