// The hunt: what logs, counters and goroutines together say, in five steps from the symptom to the
// line. Nothing is guessed: a line is named only where the evidence shows who holds or held the
// connections, and otherwise the report says what would name it. Pure.
#pragma once

#include <optional>
#include <vector>

#include "model/explanation.h"

namespace unclosed {

struct HuntInput {
  std::vector<Account> accounts;               // in the order in which they were given
  std::optional<GoroutineCapture> goroutines;  // the newest, with its growth where there are two
  std::vector<OpenInGo> open_in_go;            // at the same moment
};

// Own frames of all stacks are marked.
Explanation hunt(HuntInput input);

}  // namespace unclosed
